//! From bytes to the numbers that a network takes, and back.

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, PIXELS, SIDE};
use crate::error::{Error, Result};
use crate::support::table::counted;

/// How a pixel (0 to 255) becomes a network input.
///
/// It is part of the [`ModelSpec`](crate::ModelSpec), so training, validation, test and a picture of
/// one's own are always scaled alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Scaling {
    /// `pixel / 255`, in 0..1: the report's.
    #[default]
    Unit,
    /// The raw byte, 0..255.
    Raw,
    /// `(pixel - mean) / deviation`, both in pixels (0 to 255).
    Standard {
        /// Mean of all training pixels.
        mean: f32,
        /// Their standard deviation.
        deviation: f32,
    },
}

impl Scaling {
    /// Standardisation to mean 0 and deviation 1 over the pixels of `training`. Where all pixels are
    /// alike they have no deviation, and 1 stands in its place, as in scikit-learn's
    /// `StandardScaler`: each of them becomes 0.
    ///
    /// Without any images both values are NaN, which [`build`](crate::ModelSpec::build) and
    /// [`apply`](Self::apply) refuse.
    pub fn standard(training: &Dataset) -> Self {
        let count = training.images().len() as f64;
        let mean = training.images().iter().map(|&p| f64::from(p)).sum::<f64>() / count;
        let variance = training
            .images()
            .iter()
            .map(|&p| (f64::from(p) - mean).powi(2))
            .sum::<f64>()
            / count;
        let deviation = match variance.sqrt() as f32 {
            0.0 => 1.0,
            deviation => deviation,
        };
        Self::Standard {
            mean: mean as f32,
            deviation,
        }
    }

    /// Refuses what would make NaN or infinities of pixels.
    pub(crate) fn check(self) -> Result<()> {
        let finite = self.scale(0).is_finite() && self.scale(255).is_finite();
        match self {
            Self::Standard { mean, deviation } if deviation <= 0.0 || !finite => {
                Err(Error::Invalid(format!(
                    "pixels cannot be scaled by a mean of {mean} and a deviation of {deviation}: \
                     the deviation must be above 0, and the results finite; Scaling::standard \
                     takes both from a dataset that has images"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Pixels of 28×28 images to a tensor of shape (images, 28, 28, 1), `f32`, on `device`. For images of
    /// another shape, see [`Dataset::to_tensor`].
    ///
    /// # Errors
    /// When `pixels` is not a whole number of images, the values of [`Standard`](Self::Standard)
    /// cannot work, or the device is out of memory.
    pub fn apply(self, pixels: &[u8], device: &Device) -> Result<Tensor> {
        self.check()?;
        if !pixels.len().is_multiple_of(PIXELS) {
            return Err(Error::Invalid(format!(
                "a whole number of {SIDE}x{SIDE} images cannot be made of {}: each needs {PIXELS}",
                counted(pixels.len(), "byte")
            )));
        }
        self.gather::<&[u8]>(pixels.chunks(PIXELS).collect(), [SIDE, SIDE, 1], device)
    }

    /// Some images of a shape to a tensor of shape (images, height, width, channels).
    pub(crate) fn gather<I: AsRef<[u8]> + Sync>(
        self,
        images: Vec<I>,
        shape: [usize; 3],
        device: &Device,
    ) -> Result<Tensor> {
        let table: [f32; 256] = std::array::from_fn(|pixel| self.scale(pixel as u8));
        let pixels = shape.iter().product();
        let mut scaled = vec![0.0; images.len() * pixels];
        scaled
            .par_chunks_mut(pixels)
            .zip(&images)
            .for_each(|(scaled, image)| {
                for (value, &pixel) in scaled.iter_mut().zip(image.as_ref()) {
                    *value = table[usize::from(pixel)];
                }
            });
        Ok(Tensor::from_vec(
            scaled,
            (images.len(), shape[0], shape[1], shape[2]),
            device,
        )?)
    }

    fn scale(self, pixel: u8) -> f32 {
        match self {
            Self::Unit => f32::from(pixel) / 255.0,
            Self::Raw => f32::from(pixel),
            Self::Standard { mean, deviation } => (f32::from(pixel) - mean) / deviation,
        }
    }

    /// The pixel that is scaled to about `value`. One that is no number is black.
    fn pixel(self, value: f32) -> u8 {
        let pixel = match self {
            Self::Unit => value * 255.0,
            Self::Raw => value,
            Self::Standard { mean, deviation } => value * deviation + mean,
        };
        pixel.round() as u8 // the nearest of those that there are
    }
}

impl Dataset {
    /// All images as a tensor of shape (images, height, width, channels), `f32`, on `device`, their pixels
    /// scaled as a network takes them: [`ModelSpec::input_scaling`](crate::ModelSpec::input_scaling).
    ///
    /// # Errors
    /// When the values of [`Scaling::Standard`] cannot work, or the device is out of memory.
    pub fn to_tensor(&self, scaling: Scaling, device: &Device) -> Result<Tensor> {
        scaling.check()?;
        let images = self.images().chunks(self.pixels()).collect();
        scaling.gather::<&[u8]>(images, self.shape(), device)
    }

    /// The same things drawn anew: the pixels that `images`, of the shape (images, height, width, channels) in
    /// `f32`, would be if they were scaled by `scaling`. So the [`outputs`](crate::outputs) of an autoencoder
    /// become images to look at.
    ///
    /// # Errors
    /// When there are not as many of them as in this dataset, or they are no images.
    pub fn redrawn(&self, images: &Tensor, scaling: Scaling) -> Result<Self> {
        scaling.check()?;
        let &[count, height, width, channels] = images.dims() else {
            return Err(Error::Invalid(format!(
                "images have the shape (images, height, width, channels), not {:?}",
                images.dims()
            )));
        };
        if [height, width, channels].contains(&0) {
            return Err(Error::Invalid(format!(
                "images need at least one pixel, not a shape of {height}x{width}x{channels}"
            )));
        }
        if count != self.len() {
            return Err(Error::Invalid(format!(
                "{} cannot be drawn as {}",
                counted(self.len(), "image"),
                count
            )));
        }
        let values: Vec<f32> = images.flatten_all()?.to_vec1()?;
        let pixels = values.into_iter().map(|value| scaling.pixel(value));
        Ok(self.with_images(pixels.collect(), [height, width, channels]))
    }
}
