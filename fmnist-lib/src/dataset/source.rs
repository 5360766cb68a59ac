//! Where Fashion-MNIST comes from: a folder on this machine or, failing that, the web.

use std::{env, path::Path, path::PathBuf};

use super::{
    Dataset, download,
    integrity::{TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS},
};
use crate::{Error, Result};

/// Names the folder to read, before all other places.
const VARIABLE: &str = "FMNIST_DATA_DIR";
/// Where Debian's package `dataset-fashion-mnist` puts its files.
const SYSTEM: &str = "/usr/share/datasets/fashion-mnist";

/// The whole of Fashion-MNIST, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FashionMnist {
    /// 60,000 images, 6,000 of each class.
    pub train: Dataset,
    /// 10,000 images, 1,000 of each class: touched once, at the end.
    pub test: Dataset,
}

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
    /// [`Error::DatasetNotFound`] when every place failed, with the reason for each.
    pub fn load() -> Result<Self> {
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
        search(&folders, Self::download)
    }

    /// Reads the four IDX files, gzipped or plain, from `folder` and nowhere else.
    ///
    /// # Errors
    /// When a file is missing, damaged, or not Fashion-MNIST.
    pub fn load_from(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        if !folder.is_dir() {
            return Err(Error::Data {
                origin: folder.display().to_string(),
                problem: "there is no such folder".to_owned(),
            });
        }
        // Decompressing the training images takes most of the time.
        let (train_images, rest) = rayon::join(
            || TRAIN_IMAGES.read(folder),
            || -> Result<_> {
                Ok((
                    TRAIN_LABELS.read(folder)?,
                    TEST_IMAGES.read(folder)?,
                    TEST_LABELS.read(folder)?,
                ))
            },
        );
        let (train_labels, test_images, test_labels) = rest?;
        Ok(Self {
            train: Dataset::new(train_images?, train_labels)?,
            test: Dataset::new(test_images, test_labels)?,
        })
    }

    /// Takes Fashion-MNIST from the Hugging Face Hub (36 MB), or from Hugging Face's own cache if it
    /// was left there before, and puts it in the user's cache, where [`load`](Self::load) finds it.
    ///
    /// A terminal shows a progress bar. The variables `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_CACHE`
    /// mean what they mean to all of Hugging Face's tools.
    ///
    /// # Errors
    /// When the server cannot be reached or falls silent for ten seconds, or what it sends is not
    /// Fashion-MNIST. Then nothing is kept.
    pub fn download() -> Result<Self> {
        download::download(cache().as_deref())
    }
}

/// The folder of ours in the user's cache; none where the user has no home.
fn cache() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("fmnist-lib"))
}

fn search(
    folders: &[PathBuf],
    download: impl FnOnce() -> Result<FashionMnist>,
) -> Result<FashionMnist> {
    let mut tried = vec![format!("{VARIABLE}: not set")];
    for folder in folders {
        match FashionMnist::load_from(folder) {
            Ok(data) => return Ok(data),
            Err(error) => {
                if folder.exists() {
                    eprintln!("Passing over {error}");
                }
                tried.push(error.to_string());
            }
        }
    }
    download().map_err(|error| {
        tried.push(error.to_string());
        Error::DatasetNotFound {
            tried: tried
                .iter()
                .map(|place| format!("- {place}"))
                .collect::<Vec<_>>()
                .join("\n"),
            remedy: "Install it (apt-get install dataset-fashion-mnist), or set FMNIST_DATA_DIR \
                     to a folder with the four IDX files."
                .to_owned(),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    fn none() -> Result<FashionMnist> {
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
            PathBuf::from(SYSTEM),
        ];
        let data = search(&folders, || panic!("no download is needed")).unwrap();
        assert_eq!(data.train.len(), 60_000);
    }

    #[test]
    fn the_download_is_the_last_resort() {
        let data = FashionMnist::load_from(SYSTEM).unwrap();
        assert_eq!(search(&[], || Ok(data.clone())).unwrap(), data);
    }

    #[test]
    fn when_nothing_works_every_place_and_the_remedy_are_named() {
        let empty = tempfile::tempdir().unwrap();
        let folders = [PathBuf::from("/no/such/folder"), empty.path().to_owned()];
        let error = search(&folders, none).unwrap_err();
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
