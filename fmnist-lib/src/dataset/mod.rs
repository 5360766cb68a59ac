//! Fashion-MNIST as bytes: 28×28 grey pixels and one label of ten for each image.
//!
//! Pixels stay `u8` until a batch is made, so that the whole set takes 55 MB, not 220.

mod download;
mod hub;
mod idx;
mod integrity;
mod parquet;
mod picture;
mod source;

use std::fmt;

use crate::{Error, Result};

#[doc(hidden)]
pub use idx::{IdxContent, parse_idx};
pub use source::FashionMnist;

/// Side of an image, in pixels.
pub const SIDE: usize = 28;
/// Pixels of one image.
pub const PIXELS: usize = SIDE * SIDE;
/// Number of classes.
pub const CLASSES: usize = 10;
/// What the labels 0 to 9 mean, in Zalando's words.
pub const CLASS_NAMES: [&str; CLASSES] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Images with their labels.
#[derive(Clone, PartialEq, Eq)]
pub struct Dataset {
    images: Vec<u8>,
    labels: Vec<u8>,
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
    /// Pairs `images` (28×28 bytes each, row by row, 0 is background) with `labels` (0 to 9).
    ///
    /// # Errors
    /// When the numbers of images and labels differ, or a label is above 9.
    pub fn new(images: Vec<u8>, labels: Vec<u8>) -> Result<Self> {
        if images.len() != labels.len() * PIXELS {
            return Err(Error::Invalid(format!(
                "{} labels need {} bytes of pixels (28x28 each), but there are {}",
                labels.len(),
                labels.len() * PIXELS,
                images.len()
            )));
        }
        if let Some(at) = labels
            .iter()
            .position(|&label| usize::from(label) >= CLASSES)
        {
            return Err(Error::Invalid(format!(
                "label {} of image {at} is not one of the classes 0 to 9",
                labels[at]
            )));
        }
        Ok(Self { images, labels })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All pixels, image after image, 784 bytes each.
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// All labels.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The 784 pixels of one image.
    ///
    /// # Panics
    /// When there is no image `index`.
    pub fn image(&self, index: usize) -> &[u8] {
        &self.images[index * PIXELS..][..PIXELS]
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
        Ok(Self {
            images: indices
                .iter()
                .flat_map(|&i| self.image(i))
                .copied()
                .collect(),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
        })
    }

    /// All images mirrored, left to right, with their labels.
    pub fn mirrored(&self) -> Self {
        let mut images = self.images.clone();
        images.chunks_mut(SIDE).for_each(<[u8]>::reverse);
        Self {
            images,
            labels: self.labels.clone(),
        }
    }

    /// The first `count` images, or all where there are fewer.
    pub fn take(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            images: self.images[..count * PIXELS].to_vec(),
            labels: self.labels[..count].to_vec(),
        }
    }
}
