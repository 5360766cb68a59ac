//! The dataset: the real one, and folders that hold it or something else.
use std::sync::LazyLock;
use std::{fs, path::Path};

use fmnist_lib::{CLASSES, Dataset, FashionMnist};
use tempfile::TempDir;

use crate::home::{self, Home};
use crate::idx::{gzip, idx};
use crate::program;
use crate::real_data::real;

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The four files of the real data, plain, in the order of `NAMES`.
static FILES: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let images = |data: &Dataset| idx(&[2051, data.len() as u32, 28, 28], data.images());
    let labels = |data: &Dataset| idx(&[2049, data.len() as u32], data.labels());
    let (train, test) = (&real().train, &real().test);
    [images(train), labels(train), images(test), labels(test)]
});

static GZIPPED: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| FILES.each_ref().map(|file| gzip(file)));

#[test]
fn the_real_dataset_has_equal_classes() {
    for (data, each) in [(&real().train, 6_000), (&real().test, 1_000)] {
        for class in 0..CLASSES as u8 {
            let count = data.labels().iter().filter(|&&label| label == class);
            assert_eq!(count.count(), each);
        }
    }
    // As published: the first training images are an ankle boot and two T-shirts.
    assert_eq!(real().train.labels()[..3], [9, 0, 0]);
    // The mean that everybody normalises with: 0.2860 of 255.
    let sum: u64 = real()
        .train
        .images()
        .iter()
        .map(|&pixel| u64::from(pixel))
        .sum();
    assert!((sum as f64 / (60_000.0 * 784.0 * 255.0) - 0.2860).abs() < 5e-5);
}

#[test]
fn debug_output_is_short() {
    assert_eq!(
        format!("{:?}", *real()),
        "TrainTest { train: Dataset { len: 60000, .. }, test: Dataset { len: 10000, .. } }"
    );
}

/// Fills a folder with the real files, gzipped as they are published.
pub(crate) fn write_files(folder: &Path) {
    for (name, bytes) in NAMES.iter().zip(&*GZIPPED) {
        fs::write(folder.join(format!("{name}.gz")), bytes).unwrap();
    }
}

/// A folder that holds the real files, except that `name` decodes to `bytes`.
fn folder_with(name: &str, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    fs::remove_file(folder.path().join(format!("{name}.gz"))).unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

#[test]
fn one_flipped_bit_in_the_real_data_is_refused() {
    for (name, file) in NAMES.into_iter().zip(&*FILES) {
        let mut bytes = file.clone();
        let folder = folder_with(name, &bytes);
        FashionMnist::load_from(&folder).unwrap(); // a plain file beside three gzipped ones

        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(folder.path().join(name), &bytes).unwrap();
        let error = FashionMnist::load_from(&folder).unwrap_err().to_string();
        assert!(error.contains("SHA-256") && error.contains(name), "{error}");
    }
}

#[test]
fn a_missing_folder_or_file_is_named() {
    let error = FashionMnist::load_from("/no/such/folder")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/no/such/folder: there is no such folder"),
        "{error}"
    );
    let folder = folder_with(NAMES[3], &[]);
    fs::remove_file(folder.path().join(NAMES[3])).unwrap();
    let error = FashionMnist::load_from(&folder).unwrap_err().to_string();
    assert!(
        error.contains("neither t10k-labels-idx1-ubyte.gz nor"),
        "{error}"
    );
}

#[test]
fn the_variable_names_the_only_folder_searched() {
    if program::is_running() {
        return home::child();
    }
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let found = home.run(
        "load",
        &[("FMNIST_DATA_DIR", folder.path().to_str().unwrap())],
    );
    assert_eq!(found, "the real data");
    let found = home.run("load", &[("FMNIST_DATA_DIR", "/no/such/folder")]);
    assert!(
        found.contains("FMNIST_DATA_DIR=/no/such/folder") && found.contains("no such folder"),
        "{found}"
    );
    // Without the variable, it is Debian's folder or the cache.
    fs::create_dir_all(home.cache()).unwrap();
    write_files(&home.cache());
    assert_eq!(
        home.run("load", &[("FMNIST_DATA_DIR", "")]),
        "the real data"
    );
}
