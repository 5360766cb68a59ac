//! Fashion-MNIST as it is on this machine, read without any check: what is tested has checksums.
use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flate2::read::MultiGzDecoder;

/// Debian's folder, in which the library looks as well.
pub(crate) const SYSTEM: &str = "/usr/share/datasets/fashion-mnist";
/// The four files.
pub(crate) const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

/// Some images with their labels.
#[derive(PartialEq)]
pub(crate) struct Images {
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Vec<u8>,
}

#[derive(PartialEq)]
pub(crate) struct Data {
    pub(crate) train: Images,
    pub(crate) test: Images,
}

/// Fashion-MNIST itself.
pub(crate) fn real() -> &'static Data {
    static REAL: LazyLock<Data> = LazyLock::new(|| {
        let folder = env::var_os("FMNIST_DATA_DIR").map_or(SYSTEM.into(), PathBuf::from);
        assert!(
            folder.join(NAMES[0]).exists(),
            "{} is not in {}: install Debian's package dataset-fashion-mnist, or set FMNIST_DATA_DIR",
            NAMES[0],
            folder.display()
        );
        read(&folder)
    });
    &REAL
}

/// What a folder has.
pub(crate) fn read(folder: &Path) -> Data {
    let values = |name: &str, header: usize| {
        let file = File::open(folder.join(name)).unwrap();
        let mut bytes = Vec::new();
        MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        bytes.split_off(header)
    };
    Data {
        train: Images {
            pixels: values(NAMES[0], 16),
            labels: values(NAMES[1], 8),
        },
        test: Images {
            pixels: values(NAMES[2], 16),
            labels: values(NAMES[3], 8),
        },
    }
}
