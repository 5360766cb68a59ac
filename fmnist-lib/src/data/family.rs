//! Other datasets that courses and papers train on, read from the files that their authors publish.

use std::fs;
use std::path::Path;

use super::idx::{find_one, read_images, read_labels};
use super::source::must_be_there;
use super::{Dataset, TrainTest};
use crate::error::{Error, Result};

/// MNIST (LeCun et al., 1998), handwritten digits: 60,000 images to train and 10,000 to test, as in
/// `keras.datasets.mnist`.
#[derive(Clone, Copy, Debug)]
pub struct Mnist;

impl Mnist {
    /// Reads its four files from `folder`, gzipped or plain, under the names that they were published with,
    /// such as `train-images-idx3-ubyte.gz`.
    ///
    /// # Errors
    /// As for [`Dataset::from_idx`], naming the folder where a file is missing.
    pub fn load_from(folder: impl AsRef<Path>) -> Result<TrainTest> {
        load(folder.as_ref(), MNIST, DIGITS.chars())
    }
}

/// Kuzushiji-MNIST (Clanuwat et al., 2018), cursive Japanese in the form of [`Mnist`].
#[derive(Clone, Copy, Debug)]
pub struct Kmnist;

impl Kmnist {
    /// Reads its four files, which have the names of MNIST's, from `folder`.
    ///
    /// # Errors
    /// As for [`Mnist::load_from`].
    pub fn load_from(folder: impl AsRef<Path>) -> Result<TrainTest> {
        load(folder.as_ref(), MNIST, KUZUSHIJI)
    }
}

/// CIFAR-10 (Krizhevsky, 2009): 50,000 images of 32×32 pixels in colour to train and 10,000 to test, as in
/// `keras.datasets.cifar10`.
#[derive(Clone, Copy, Debug)]
pub struct Cifar10;

impl Cifar10 {
    /// Reads the files of its "binary version" from `folder`: `data_batch_1.bin` to `data_batch_5.bin` and
    /// `test_batch.bin`.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`Error::Data`] when it is not one of CIFAR-10.
    pub fn load_from(folder: impl AsRef<Path>) -> Result<TrainTest> {
        Self::read_folder(folder.as_ref())
    }

    fn read_folder(folder: &Path) -> Result<TrainTest> {
        must_be_there(folder)?;
        let train = (1..=5).map(|part| format!("data_batch_{part}.bin"));
        Ok(TrainTest {
            train: cifar(folder, train)?,
            test: cifar(folder, ["test_batch.bin".to_owned()])?,
        })
    }
}

/// EMNIST (Cohen et al., 2017), letters and digits: which of its six divisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emnist {
    /// 47 classes: digits, capitals, and the small letters that do not look like their capitals.
    Balanced,
    /// The same 47, as often as people write them.
    ByMerge,
    /// 62 classes: digits, capitals, small letters.
    ByClass,
    /// 26 classes: letters, large and small.
    Letters,
    /// 10 classes.
    Digits,
    /// 10 classes, as many images as in MNIST.
    Mnist,
}

impl Emnist {
    /// Reads the four files of this division from `folder`, gzipped or plain, under the names that they have
    /// in EMNIST's `gzip.zip`, such as `emnist-letters-train-images-idx3-ubyte.gz`. Their images lie on
    /// their sides and are turned, and the labels of the letters begin at 1 and are counted from 0.
    ///
    /// # Errors
    /// As for [`Mnist::load_from`].
    pub fn load_from(self, folder: impl AsRef<Path>) -> Result<TrainTest> {
        self.read_folder(folder.as_ref())
    }

    fn read_folder(self, folder: &Path) -> Result<TrainTest> {
        let sets = ["train-", "test-"].map(|set| format!("emnist-{}-{set}", self.name()));
        let sets = [&sets[0], &sets[1]].map(String::as_str);
        let unused = (self == Self::Letters).then_some('-');
        let names = unused.into_iter().chain(self.class_names());
        let lying = load(folder, sets, names)?;
        Ok(TrainTest {
            train: self.upright(&lying.train)?,
            test: self.upright(&lying.test)?,
        })
    }

    /// As in the names of its files.
    fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::ByMerge => "bymerge",
            Self::ByClass => "byclass",
            Self::Letters => "letters",
            Self::Digits => "digits",
            Self::Mnist => "mnist",
        }
    }

    /// In the order of the file `emnist-…-mapping.txt`.
    fn class_names(self) -> impl Iterator<Item = char> {
        match self {
            Self::Balanced | Self::ByMerge => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt",
            Self::ByClass => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Self::Letters => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Digits | Self::Mnist => DIGITS,
        }
        .chars()
    }

    /// What EMNIST's files hold, with rows for columns and letters from 1 on, as it is meant.
    fn upright(self, data: &Dataset) -> Result<Dataset> {
        let first = u8::from(self == Self::Letters);
        let [height, width, _] = data.shape();
        let turned = |image: &[u8]| -> Vec<u8> {
            let pixels = 0..height * width;
            pixels
                .map(|at| image[(at % height) * width + at / height])
                .collect()
        };
        let images = data
            .images()
            .chunks(data.pixels())
            .flat_map(turned)
            .collect();
        if let Some(at) = data.labels().iter().position(|&label| label < first) {
            return Err(Error::Data {
                origin: format!("emnist-{}", self.name()),
                problem: format!("label 0 of image {at} is no letter"),
            });
        }
        let labels = data.labels().iter().map(|label| label - first).collect();
        let names = self.class_names();
        Dataset::of_shape([width, height, 1], names, images, labels)
    }
}

const DIGITS: &str = "0123456789";
/// In the order of the labels, by their sound.
const KUZUSHIJI: [&str; 10] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"];
const CIFAR_10: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];
/// What the names of the files begin with.
const MNIST: [&str; 2] = ["train-", "t10k-"];
/// Side of an image of CIFAR, in pixels.
const CIFAR_SIDE: usize = 32;

impl Dataset {
    /// Images and labels in two IDX files, plain or gzipped, with the names of their classes. The files of
    /// MNIST have this format, and many that followed it.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`Error::Data`] when it is damaged or no such file, the two
    /// do not belong together, or a label has no name.
    pub fn from_idx(
        images: impl AsRef<Path>,
        labels: impl AsRef<Path>,
        class_names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        let (images, labels) = (images.as_ref(), labels.as_ref());
        let ([height, width], pixels) = read_images(images)?;
        let shape = [height, width, 1];
        Self::of_shape(shape, class_names, pixels, read_labels(labels)?).map_err(|error| {
            Error::Data {
                origin: format!("{} with {}", images.display(), labels.display()),
                problem: error.to_string(),
            }
        })
    }
}

/// A training and a test set whose files begin with `sets`.
fn load(
    folder: &Path,
    [train, test]: [&str; 2],
    class_names: impl IntoIterator<Item = impl Into<String>>,
) -> Result<TrainTest> {
    must_be_there(folder)?;
    let class_names: Vec<String> = class_names.into_iter().map(Into::into).collect();
    let read = |set: &str| {
        let images = find_one(&format!("{set}images-idx3-ubyte"), folder)?;
        let labels = find_one(&format!("{set}labels-idx1-ubyte"), folder)?;
        Dataset::from_idx(images, labels, class_names.clone())
    };
    Ok(TrainTest {
        train: read(train)?,
        test: read(test)?,
    })
}

/// Each image is its label, then its red, its green and its blue pixels.
fn cifar(folder: &Path, files: impl IntoIterator<Item = String>) -> Result<Dataset> {
    let area = CIFAR_SIDE * CIFAR_SIDE;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let path = folder.join(file);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let refuse = |problem: String| Error::Data {
            origin: path.display().to_string(),
            problem: format!("not a file of CIFAR-10's binary version: {problem}"),
        };
        let records = bytes.chunks_exact(1 + 3 * area);
        if !records.remainder().is_empty() || bytes.is_empty() {
            return Err(refuse(format!(
                "{} bytes are no whole number of images of {}",
                bytes.len(),
                1 + 3 * area
            )));
        }
        for record in records {
            let (label, planes) = (record[0], &record[1..]);
            if usize::from(label) >= CIFAR_10.len() {
                return Err(refuse(format!("label {label} is not one of 0 to 9")));
            }
            labels.push(label);
            images.extend((0..3 * area).map(|at| planes[at % 3 * area + at / 3]));
        }
    }
    Dataset::of_shape([CIFAR_SIDE, CIFAR_SIDE, 3], CIFAR_10, images, labels)
}
