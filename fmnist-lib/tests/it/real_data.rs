//! Fashion-MNIST itself. Most tests make small data of their own; the few that need the real images
//! find them as a user does, and fetch them where the machine has none.
use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use fmnist_lib::{FashionMnist, TrainTest};

use crate::notebook;

/// Fashion-MNIST, read once.
pub(crate) fn real() -> &'static TrainTest {
    static REAL: LazyLock<Result<TrainTest, String>> = LazyLock::new(|| {
        if !is_here() {
            // Written past the test harness, which keeps what a test prints until it has failed.
            let _ = writeln!(
                io::stderr(),
                "Some tests need Fashion-MNIST, which is not on this machine (31 MB). Root gets Debian's package \
                 dataset-fashion-mnist. Anybody else who has not installed it waits for the library, which downloads \
                 the data into its cache with a program that it compiles there first: about 5 minutes, once."
            );
            // Where that fails, the library downloads, or its message says what to do.
            let _ = Command::new(notebook::folder().join("start.sh"))
                .arg("data")
                .status();
        }
        FashionMnist::load().map_err(|error| error.to_string())
    });
    match &*REAL {
        Ok(data) => data,
        Err(problem) => panic!("this test needs Fashion-MNIST: {problem}"),
    }
}

/// Whether the library will find the data without a download, as far as one can see from outside.
fn is_here() -> bool {
    let cached = dirs::cache_dir().map(|cache| cache.join("fmnist-lib/t10k-labels-idx1-ubyte.gz"));
    env::var_os("FMNIST_DATA_DIR").is_some()
        || Path::new("/usr/share/datasets/fashion-mnist").exists()
        || cached.is_some_and(|file| file.exists())
}
