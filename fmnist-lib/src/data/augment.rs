//! Random changes of training images, drawn anew in each epoch.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::support::seed::{Purpose, generator};
use crate::support::stored::is_default;

/// What happens to a training image each time it is used. By default, nothing.
///
/// An image is flipped, shifted, turned and zoomed, erased from, in this order. What happens is drawn
/// from the run's seed, the epoch and the image, so that the same seed gives the same pictures.
/// Validation and test images are never changed.
///
/// ```
/// use fmnist_lib::{Augmentation, FitConfig};
///
/// let augmentation = Augmentation::new().flip().shift(2).erase(0.5);
/// let config = FitConfig::default().augmentation(augmentation);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Augmentation {
    flip: bool,
    shift: usize,
    erase: f64,
    /// In degrees.
    #[serde(default, skip_serializing_if = "is_default")]
    rotate: f64,
    #[serde(default, skip_serializing_if = "is_default")]
    zoom: f64,
}

impl Augmentation {
    /// Changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Mirrors half of the images, left to right: Keras's `RandomFlip("horizontal")`.
    pub fn flip(self) -> Self {
        Self { flip: true, ..self }
    }

    /// Moves images by up to `pixels` in each direction; what comes in from outside is background.
    /// The same as a random crop of a padded image, and Keras's `RandomTranslation` in whole pixels.
    pub fn shift(self, pixels: usize) -> Self {
        Self {
            shift: pixels,
            ..self
        }
    }

    /// Turns images by up to `degrees` to either side: Keras's `RandomRotation(degrees / 360)` with
    /// bilinear interpolation, where what comes in from outside is background.
    pub fn rotate(self, degrees: f64) -> Self {
        Self {
            rotate: degrees,
            ..self
        }
    }

    /// Makes images larger or smaller by up to this part, 0 to less than 1, with the interpolation of
    /// [`rotate`](Self::rotate): Keras's `RandomZoom`.
    pub fn zoom(self, part: f64) -> Self {
        Self { zoom: part, ..self }
    }

    /// Fills a rectangle with noise in this part of the images, 0 to 1: random erasing (Zhong et
    /// al., 2020), Keras's `RandomErasing`. The rectangle covers 2 to 33 % of the image and is up to
    /// 3.3 times as long as wide.
    pub fn erase(self, part: f64) -> Self {
        Self {
            erase: part,
            ..self
        }
    }

    /// Refuses what cannot be done to images of this height, width and channels.
    pub(crate) fn check(&self, [height, width, _]: [usize; 3]) -> Result<()> {
        let shorter = height.min(width);
        if self.shift >= shorter {
            return Err(Error::Invalid(format!(
                "a shift by {} pixels leaves nothing of an image of {shorter}: 2 or 3 are usual",
                self.shift
            )));
        }
        if !(0.0..=180.0).contains(&self.rotate) {
            return Err(Error::Invalid(format!(
                "images are turned by up to 0 to 180 degrees (10 is usual), not {}",
                self.rotate
            )));
        }
        if !(0.0..1.0).contains(&self.zoom) {
            return Err(Error::Invalid(format!(
                "the part by which images are zoomed must be at least 0 and less than 1 (0.1 is usual), \
                 not {}",
                self.zoom
            )));
        }
        if !(0.0..=1.0).contains(&self.erase) {
            return Err(Error::Invalid(format!(
                "the part of the images to erase from must be between 0 and 1, not {}",
                self.erase
            )));
        }
        Ok(())
    }

    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The images of `dataset` as epoch `epoch` (from 1) of a run with `seed` sees them.
    ///
    /// # Errors
    /// When a shift, an angle or a part is out of range.
    pub fn apply(&self, dataset: &Dataset, seed: u64, epoch: usize) -> Result<Dataset> {
        self.check(dataset.shape())?;
        let indices: Vec<usize> = (0..dataset.len()).collect();
        let images = self.images(dataset, &indices, seed, epoch);
        Ok(dataset.with_images(images.concat(), dataset.shape()))
    }

    /// The images at `indices`, changed.
    pub(crate) fn images(
        &self,
        dataset: &Dataset,
        indices: &[usize],
        seed: u64,
        epoch: usize,
    ) -> Vec<Vec<u8>> {
        let random = generator(seed, Purpose::Augment { epoch });
        let change = |&index: &usize| {
            // A stream for each image: what becomes of it does not depend on the batch.
            let mut random = random.clone();
            random.set_stream(index as u64);
            self.change(dataset.image(index), dataset.shape(), &mut random)
        };
        indices.par_iter().map(change).collect()
    }

    fn change(&self, image: &[u8], shape: [usize; 3], random: &mut ChaCha8Rng) -> Vec<u8> {
        let [height, width, channels] = shape;
        let mirrored = self.flip && random.random();
        let mut by = || {
            let most = self.shift as i32;
            random.random_range(-most..=most) as isize
        };
        let (down, right) = (by(), by());
        let mut changed = vec![0; image.len()];
        for (row, values) in changed.chunks_exact_mut(width * channels).enumerate() {
            for (column, pixel) in values.chunks_exact_mut(channels).enumerate() {
                let from_row = row.wrapping_add_signed(-down);
                let from = column.wrapping_add_signed(-right);
                if from_row < height && from < width {
                    let from = if mirrored { width - 1 - from } else { from };
                    let from = (from_row * width + from) * channels;
                    pixel.copy_from_slice(&image[from..][..channels]);
                }
            }
        }
        if self.rotate > 0.0 || self.zoom > 0.0 {
            let mut up_to = |most: f64| random.random_range(-most..=most);
            let (angle, scale) = (up_to(self.rotate).to_radians(), 1.0 + up_to(self.zoom));
            changed = turned(&changed, shape, angle, scale);
        }
        if random.random_bool(self.erase) {
            erase(&mut changed, shape, random);
        }
        changed
    }
}

/// The image turned clockwise by `angle` (radians) and enlarged by `scale` around its middle.
fn turned(image: &[u8], [height, width, channels]: [usize; 3], angle: f64, scale: f64) -> Vec<u8> {
    let (sin, cos) = (angle.sin() / scale, angle.cos() / scale);
    let middle = ((height - 1) as f64 / 2.0, (width - 1) as f64 / 2.0);
    let value = |row: f64, column: f64, channel: usize| {
        let inside = (0.0..height as f64).contains(&row) && (0.0..width as f64).contains(&column);
        let at = || (row as usize * width + column as usize) * channels + channel;
        if inside { f64::from(image[at()]) } else { 0.0 }
    };
    let mut turned = Vec::with_capacity(image.len());
    for row in 0..height {
        for column in 0..width {
            let (y, x) = (row as f64 - middle.0, column as f64 - middle.1);
            let (y, x) = (middle.0 + cos * y - sin * x, middle.1 + sin * y + cos * x);
            let (top, left) = (y.floor(), x.floor());
            let (lower, farther) = (y - top, x - left);
            for channel in 0..channels {
                let between = |row| {
                    let (left, right) =
                        (value(row, left, channel), value(row, left + 1.0, channel));
                    left + farther * (right - left)
                };
                let (above, below) = (between(top), between(top + 1.0));
                turned.push((above + lower * (below - above)).round() as u8);
            }
        }
    }
    turned
}

fn erase(image: &mut [u8], [height, width, channels]: [usize; 3], random: &mut ChaCha8Rng) {
    let area = (height * width) as f64 * random.random_range(0.02..=0.33);
    // As likely upright as lying.
    let longest = 3.3_f64.ln();
    let shape = random.random_range(-longest..=longest).exp();
    let side = |length: f64, most| (length.round() as usize).clamp(1, most);
    let (tall, wide) = (
        side((area * shape).sqrt(), height),
        side((area / shape).sqrt(), width),
    );
    let top = random.random_range(0..=height - tall);
    let left = random.random_range(0..=width - wide);
    for row in top..top + tall {
        random.fill(&mut image[(row * width + left) * channels..][..wide * channels]);
    }
}

#[cfg(test)]
mod tests {
    use super::turned;

    /// A quarter turn is exact, and so is the middle of an image twice as large.
    #[test]
    fn images_turn_clockwise_around_their_middle() {
        let image: Vec<u8> = (0..3 * 3 * 2).collect();
        let quarter = turned(&image, [3, 3, 2], 90_f64.to_radians(), 1.0);
        let expected = [12, 13, 6, 7, 0, 1, 14, 15, 8, 9, 2, 3, 16, 17, 10, 11, 4, 5];
        assert_eq!(quarter, expected);
        let half = turned(&image, [3, 3, 2], 180_f64.to_radians(), 1.0);
        assert_eq!(half, turned(&quarter, [3, 3, 2], 90_f64.to_radians(), 1.0));
        let larger = turned(&[10, 20, 30, 40, 50, 60, 70, 80, 90], [3, 3, 1], 0.0, 2.0);
        assert_eq!(larger, [30, 35, 40, 45, 50, 55, 60, 65, 70]);
        // What comes in from outside is background.
        let smaller = turned(&[255; 16], [4, 4, 1], 0.0, 0.5);
        assert_eq!(smaller[..8], [0, 0, 0, 0, 0, 255, 255, 0]);
    }
}
