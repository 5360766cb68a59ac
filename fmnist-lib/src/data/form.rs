//! What all images of a dataset have in common: their shape, and the names of their classes.

use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::error::{Error, Result};

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

/// What all images of a dataset have in common.
#[derive(PartialEq, Eq)]
pub(super) struct Form {
    /// Height, width and channels.
    pub(super) shape: [usize; 3],
    pub(super) class_names: Vec<String>,
}

impl Form {
    pub(super) fn new(shape: [usize; 3], class_names: Vec<String>) -> Result<Self> {
        if class_names.is_empty() || class_names.len() > 256 {
            return Err(Error::Invalid(format!(
                "a dataset has 1 to 256 classes, not {}",
                class_names.len()
            )));
        }
        let pixels = (shape.iter()).try_fold(1_usize, |pixels, &side| pixels.checked_mul(side));
        if pixels.is_none_or(|pixels| pixels == 0) {
            let shape = Shape(shape);
            return Err(Error::Invalid(format!(
                "images cannot be of {shape} pixels"
            )));
        }
        Ok(Self { shape, class_names })
    }

    /// That of Fashion-MNIST.
    pub(super) fn fashion() -> Arc<Self> {
        static FASHION: LazyLock<Arc<Form>> = LazyLock::new(|| {
            Arc::new(Form {
                shape: [SIDE, SIDE, 1],
                class_names: fashion_names(),
            })
        });
        FASHION.clone()
    }
}

/// Those of Fashion-MNIST.
pub(crate) fn fashion_names() -> Vec<String> {
    CLASS_NAMES.map(str::to_owned).to_vec()
}

/// As errors and notebooks show it: 28x28 for grey images, 32x32x3 for others.
pub(crate) struct Shape(pub(crate) [usize; 3]);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([height, width, channels]) = self;
        write!(f, "{height}x{width}")?;
        match channels {
            1 => Ok(()),
            _ => write!(f, "x{channels}"),
        }
    }
}
