//! Where Fashion-MNIST comes from: a folder on this machine or, failing that, the web.

use std::{env, path::Path, path::PathBuf};

use super::content::{TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
use super::idx::{find, read};
use super::{Dataset, TrainTest, download};
use crate::error::{Error, Result};

/// Names the folder to read, before all other places.
const VARIABLE: &str = "FMNIST_DATA_DIR";
/// Where Debian's package `dataset-fashion-mnist` puts its files.
const SYSTEM: &str = "/usr/share/datasets/fashion-mnist";

/// The whole of Fashion-MNIST (Xiao et al., 2017), verified: 60,000 images to train, 6,000 of each class, and
/// 10,000 to test.
#[derive(Clone, Copy, Debug)]
pub struct FashionMnist;

impl FashionMnist {
    /// Finds Fashion-MNIST in the first of these places:
    ///
    /// 1. the folder that the environment variable `FMNIST_DATA_DIR` names, if it is set;
    /// 2. `/usr/share/datasets/fashion-mnist`, Debian's package `dataset-fashion-mnist`;
    /// 3. `fmnist-lib` in the user's cache, `~/.cache` on Linux;
    /// 4. [the web](Self::download).
    ///
    /// Pixels and labels are checked by SHA-256, whatever their source.
    ///
    /// ```
    /// # fn main() -> fmnist_lib::Result<()> {
    /// let data = fmnist_lib::FashionMnist::load()?;
    /// assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// At once when `FMNIST_DATA_DIR` is set but its folder is no good. Otherwise
    /// [`Error::DatasetNotFound`] when every place failed, with the reason for each, or
    /// [`Error::Interrupted`] when Ctrl-C or Stop came during the download.
    pub fn load() -> Result<TrainTest> {
        if let Some(folder) = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            return Self::load_from(&folder).map_err(|error| Error::Data {
                origin: format!("{VARIABLE}={}", folder.display()),
                problem: format!("{error}\nCorrect the variable, or unset it to search elsewhere."),
            });
        }
        let folders: Vec<_> = [Some(PathBuf::from(SYSTEM)), cache()]
            .into_iter()
            .flatten()
            .collect();
        search(&folders, Self::load_from, Self::download)
    }

    /// Reads the four IDX files, gzipped or plain, from `folder` and nowhere else.
    ///
    /// # Errors
    /// When a file is missing, damaged, or not Fashion-MNIST.
    pub fn load_from(folder: impl AsRef<Path>) -> Result<TrainTest> {
        Self::read_folder(folder.as_ref())
    }

    fn read_folder(folder: &Path) -> Result<TrainTest> {
        must_be_there(folder)?;
        // Decompressing the training images takes most of the time.
        let (train_images, rest) = rayon::join(
            || read(&TRAIN_IMAGES, folder),
            || -> Result<_> {
                Ok((
                    read(&TRAIN_LABELS, folder)?,
                    read(&TEST_IMAGES, folder)?,
                    read(&TEST_LABELS, folder)?,
                ))
            },
        );
        let (train_labels, test_images, test_labels) = rest?;
        Ok(TrainTest {
            train: Dataset::new(train_images?, train_labels)?,
            test: Dataset::new(test_images, test_labels)?,
        })
    }

    /// Takes Fashion-MNIST from the Hugging Face Hub (36 MB), or from Hugging Face's own cache if it
    /// was left there before, and puts it in the user's cache, where [`load`](Self::load) finds it.
    ///
    /// A program of its own does that, `fmnist-download`. It is looked for beside the running program,
    /// in `fmnist-lib/bin` in the user's cache, and on the `PATH`. Where it is not, Cargo compiles it
    /// into the user's cache, once, which takes some minutes. Of several processes that want it, one
    /// does the work, and the others wait for it.
    ///
    /// A terminal shows a progress bar. The variables `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_CACHE`
    /// mean what they mean to all of Hugging Face's tools.
    ///
    /// # Errors
    /// When the program is not there and cannot be compiled; when the server cannot be reached or falls
    /// silent for ten seconds, or what it sends is not Fashion-MNIST, of which nothing is kept.
    /// [`Error::Interrupted`] when Ctrl-C or Stop comes meanwhile: then the program has ended too.
    pub fn download() -> Result<TrainTest> {
        download::download(cache().as_deref())
    }
}

/// Refuses a folder that is not there, as such.
pub(super) fn must_be_there(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::Data {
        origin: folder.display().to_string(),
        problem: "there is no such folder".to_owned(),
    })
}

/// The folder of ours in the user's cache; none where the user has no home.
fn cache() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("fmnist-lib"))
}

fn search<'a>(
    folders: &'a [PathBuf],
    load_from: impl Fn(&'a PathBuf) -> Result<TrainTest>,
    download: impl FnOnce() -> Result<TrainTest>,
) -> Result<TrainTest> {
    let mut tried = vec![format!("{VARIABLE}: not set")];
    for folder in folders {
        match load_from(folder) {
            Ok(data) => return Ok(data),
            Err(error) => {
                // The cache has other things as well: without any of the four, it is no place that failed.
                let files = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];
                if files.iter().any(|file| find(file.name, folder).is_some()) {
                    eprintln!("Passing over {error}");
                }
                tried.push(error.to_string());
            }
        }
    }
    let error = match download() {
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(error) => error,
        found => return found,
    };
    tried.push(error.to_string());
    Err(Error::DatasetNotFound {
        tried: tried
            .iter()
            .map(|place| format!("- {place}"))
            .collect::<Vec<_>>()
            .join("\n"),
        remedy: "Install it (apt-get install dataset-fashion-mnist), or set FMNIST_DATA_DIR \
                 to a folder with the four IDX files."
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    /// Stands for Fashion-MNIST, which not every machine has.
    fn one_image() -> TrainTest {
        let image = Dataset::new(vec![0; crate::PIXELS], vec![9]).unwrap();
        TrainTest {
            train: image.clone(),
            test: image,
        }
    }

    fn none() -> Result<TrainTest> {
        Err(Error::Data {
            origin: "the web".to_owned(),
            problem: "no answer".to_owned(),
        })
    }

    #[test]
    fn a_missing_and_a_corrupt_place_are_passed_over() {
        let corrupt = tempfile::tempdir().unwrap();
        fs::write(corrupt.path().join(TRAIN_IMAGES.name), b"<!DOCTYPE html>").unwrap();
        let folders = [
            PathBuf::from("/no/such/folder"),
            corrupt.path().to_owned(),
            PathBuf::from("/good"),
            PathBuf::from("/not/reached"),
        ];
        let load_from = |folder: &PathBuf| match folder.to_str() {
            Some("/good") => Ok(one_image()),
            Some("/not/reached") => panic!("the search has ended"),
            _ => FashionMnist::load_from(folder),
        };
        let found = search(&folders, load_from, || panic!("no download is needed"));
        assert_eq!(found.unwrap(), one_image());
    }

    #[test]
    fn the_download_is_the_last_resort() {
        let folders = [PathBuf::from("/no/such/folder")];
        let found = search(&folders, FashionMnist::load_from, || Ok(one_image()));
        assert_eq!(found.unwrap(), one_image());
    }

    #[test]
    fn when_nothing_works_every_place_and_the_remedy_are_named() {
        let empty = tempfile::tempdir().unwrap();
        let folders = [PathBuf::from("/no/such/folder"), empty.path().to_owned()];
        let error = search(&folders, FashionMnist::load_from, none).unwrap_err();
        assert!(matches!(error, Error::DatasetNotFound { .. }));
        let text = error.to_string();
        for part in [
            "FMNIST_DATA_DIR: not set",
            "/no/such/folder: there is no such folder",
            &format!("{}: neither", empty.path().display()),
            "the web: no answer",
            "apt-get install dataset-fashion-mnist",
        ] {
            assert!(text.contains(part), "{part:?} is missing in: {text}");
        }
    }
}
