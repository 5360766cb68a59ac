//! Images as bytes, and one label for each: Fashion-MNIST, and all that has the same form.
//!
//! Pixels stay `u8` until a batch is made, so that the whole set takes 55 MB, not 220.

mod augment;
mod batch;
mod content;
mod download;
mod family;
mod folder;
mod form;
mod idx;
mod picture;
mod resize;
mod scaling;
mod source;
mod split;

use std::fmt;
use std::sync::Arc;

use form::Form;
pub use form::{CLASS_NAMES, CLASSES, PIXELS, SIDE};
pub(crate) use form::{Shape, fashion_names};

use crate::error::{Error, Result};
use crate::support::table::counted;

pub use augment::Augmentation;
pub(crate) use batch::{augmented_batch, batch, shuffled};
#[doc(hidden)]
pub use content::IdxContent;
pub use family::{Cifar10, Emnist, Kmnist, Mnist};
#[doc(hidden)]
pub use idx::parse_idx;
pub use scaling::Scaling;
pub use source::FashionMnist;
pub use split::Split;

/// Images of one shape with their labels, of classes that have names.
#[derive(Clone, PartialEq, Eq)]
pub struct Dataset {
    images: Vec<u8>,
    labels: Vec<u8>,
    form: Arc<Form>,
}

/// A dataset in its two usual parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainTest {
    /// What networks learn from; [`Split`] takes validation images out of it.
    pub train: Dataset,
    /// What they are measured on: touched once, at the end.
    pub test: Dataset,
}

/// Only the number of images: a cell that shows 47 million pixels stops the notebook.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Dataset {
    /// Pairs `images` (28×28 bytes each, row by row, 0 is background) with `labels` (0 to 9), which mean
    /// what those of Fashion-MNIST mean: [`CLASS_NAMES`].
    ///
    /// # Errors
    /// When the numbers of images and labels differ, or a label is above 9.
    pub fn new(images: Vec<u8>, labels: Vec<u8>) -> Result<Self> {
        Self::paired(images, labels, Form::fashion())
    }

    /// Pairs `images` of any `shape` (height, width, channels) with `labels`, each the place of its class
    /// in `class_names`. The bytes of an image come row by row, and in a row pixel by pixel: the channels
    /// last, as in Keras.
    ///
    /// ```
    /// use fmnist_lib::Dataset;
    ///
    /// let (red, blue) = ([255, 0, 0].repeat(8 * 8), [0, 0, 255].repeat(8 * 8));
    /// let data = Dataset::of_shape([8, 8, 3], ["red", "blue"], [red, blue].concat(), vec![0, 1])?;
    /// assert_eq!((data.len(), data.classes(), data.shape()), (2, 2, [8, 8, 3]));
    /// # Ok::<(), fmnist_lib::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the numbers of images and labels differ, a label has no name, there are more than 256 names or
    /// none, or a part of the shape is 0.
    pub fn of_shape(
        shape: [usize; 3],
        class_names: impl IntoIterator<Item = impl Into<String>>,
        images: Vec<u8>,
        labels: Vec<u8>,
    ) -> Result<Self> {
        let class_names = class_names.into_iter().map(Into::into).collect();
        let form = Form::new(shape, class_names)?;
        Self::paired(images, labels, Arc::new(form))
    }

    fn paired(images: Vec<u8>, labels: Vec<u8>, form: Arc<Form>) -> Result<Self> {
        let pixels: usize = form.shape.iter().product();
        if labels.len().checked_mul(pixels) != Some(images.len()) {
            return Err(Error::Invalid(format!(
                "cannot pair {} of pixels with {}: each label needs {pixels} ({})",
                counted(images.len(), "byte"),
                counted(labels.len(), "label"),
                Shape(form.shape)
            )));
        }
        let classes = form.class_names.len();
        let odd = (labels.iter()).position(|&label| usize::from(label) >= classes);
        if let Some(at) = odd {
            return Err(Error::Invalid(format!(
                "label {} of image {at} is not one of the classes 0 to {}",
                labels[at],
                classes - 1
            )));
        }
        Ok(Self {
            images,
            labels,
            form,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Height, width and channels of each image: \[28, 28, 1\] for Fashion-MNIST.
    pub fn shape(&self) -> [usize; 3] {
        self.form.shape
    }

    /// What the labels mean, from label 0 on.
    pub fn class_names(&self) -> &[String] {
        &self.form.class_names
    }

    /// Number of classes, whether or not there are images of each.
    pub fn classes(&self) -> usize {
        self.form.class_names.len()
    }

    /// For each class, the weight at which all of them count the same in training, whatever the number of
    /// their images: `class_weight="balanced"` of scikit-learn. That of a class without images is 1.
    ///
    /// ```no_run
    /// use fmnist_lib::*;
    ///
    /// let data = Dataset::from_folder("flowers", [64, 64, 3])?;
    /// let config = FitConfig::default().class_weight(data.balanced_weights());
    /// # let _ = config;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn balanced_weights(&self) -> Vec<f64> {
        let counts = self.class_counts();
        let there = counts.iter().filter(|&&count| count > 0).count();
        let even = self.len() as f64 / there as f64;
        let weight = |&count: &usize| if count > 0 { even / count as f64 } else { 1.0 };
        counts.iter().map(weight).collect()
    }

    /// For each class, how many images there are.
    pub(crate) fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Bytes of one image.
    pub(crate) fn pixels(&self) -> usize {
        self.form.shape.iter().product()
    }

    /// All pixels, image after image.
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// All labels.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The pixels of one image: 784 for Fashion-MNIST.
    ///
    /// # Panics
    /// When there is no image `index`.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * self.pixels()..][..self.pixels()]
    }

    /// The images at `indices`, in that order.
    ///
    /// # Errors
    /// When an index is past the end.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        if let Some(&index) = indices.iter().find(|&&index| index >= self.len()) {
            return Err(Error::Invalid(format!(
                "there is no image {index}: the dataset has {}",
                self.len()
            )));
        }
        let images = indices.iter().flat_map(|&i| self.image(i)).copied();
        Ok(Self {
            images: images.collect(),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            form: self.form.clone(),
        })
    }

    /// The first `count` images, or all where there are fewer.
    #[must_use]
    pub fn take(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            images: self.images[..count * self.pixels()].to_vec(),
            labels: self.labels[..count].to_vec(),
            form: self.form.clone(),
        }
    }

    /// All images mirrored, left to right, with their labels.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let [_, width, channels] = self.shape();
        let rows = self.images.chunks(width * channels);
        let mirrored = rows.flat_map(|row| row.chunks(channels).rev().flatten());
        self.with_images(mirrored.copied().collect(), self.shape())
    }

    /// Other pictures of the same things.
    pub(crate) fn with_images(&self, images: Vec<u8>, shape: [usize; 3]) -> Self {
        let form = match shape == self.shape() {
            true => self.form.clone(),
            false => Arc::new(Form {
                shape,
                class_names: self.form.class_names.clone(),
            }),
        };
        Self {
            images,
            labels: self.labels.clone(),
            form,
        }
    }
}
