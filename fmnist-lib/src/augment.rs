//! Random changes of training images, drawn anew in each epoch.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::seed::{Purpose, generator};
use crate::{Dataset, Error, PIXELS, Result, SIDE};

/// What happens to a training image each time it is used. By default, nothing.
///
/// An image is flipped, shifted, erased from, in this order. What happens is drawn from the run's
/// seed, the epoch and the image, so that the same seed gives the same pictures. Validation and test
/// images are never changed.
///
/// ```
/// use fmnist_lib::{Augmentation, FitConfig};
///
/// let augmentation = Augmentation::new().flip().shift(2).erase(0.5);
/// let config = FitConfig::default().augmentation(augmentation);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    flip: bool,
    shift: usize,
    erase: f64,
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

    /// Fills a rectangle with noise in this part of the images, 0 to 1: random erasing (Zhong et
    /// al., 2020), Keras's `RandomErasing`. The rectangle covers 2 to 33 % of the image and is up to
    /// 3.3 times as long as wide.
    pub fn erase(self, part: f64) -> Self {
        Self {
            erase: part,
            ..self
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.shift >= SIDE {
            return Err(Error::Invalid(format!(
                "a shift by {} pixels leaves nothing of an image of {SIDE}: 2 or 3 are usual",
                self.shift
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
    /// When a shift or a part is out of range.
    pub fn apply(&self, dataset: &Dataset, seed: u64, epoch: usize) -> Result<Dataset> {
        self.check()?;
        let indices: Vec<usize> = (0..dataset.len()).collect();
        let images = self.images(dataset, &indices, seed, epoch);
        Dataset::new(images.concat(), dataset.labels().to_vec())
    }

    /// The images at `indices`, changed.
    pub(crate) fn images(
        &self,
        dataset: &Dataset,
        indices: &[usize],
        seed: u64,
        epoch: usize,
    ) -> Vec<[u8; PIXELS]> {
        let random = generator(seed, Purpose::Augment { epoch });
        let change = |&index: &usize| {
            // A stream for each image: what becomes of it does not depend on the batch.
            let mut random = random.clone();
            random.set_stream(index as u64);
            self.change(dataset.image(index), &mut random)
        };
        indices.par_iter().map(change).collect()
    }

    fn change(&self, image: &[u8], random: &mut ChaCha8Rng) -> [u8; PIXELS] {
        let mirrored = self.flip && random.random();
        let mut by = || {
            let most = self.shift as i32;
            random.random_range(-most..=most) as isize
        };
        let (down, right) = (by(), by());
        let mut changed = [0; PIXELS];
        for row in 0..SIDE {
            for column in 0..SIDE {
                let from_row = row.wrapping_add_signed(-down);
                let from = column.wrapping_add_signed(-right);
                if from_row < SIDE && from < SIDE {
                    let from = if mirrored { SIDE - 1 - from } else { from };
                    changed[row * SIDE + column] = image[from_row * SIDE + from];
                }
            }
        }
        if random.random_bool(self.erase) {
            erase(&mut changed, random);
        }
        changed
    }
}

fn erase(image: &mut [u8; PIXELS], random: &mut ChaCha8Rng) {
    let area = PIXELS as f64 * random.random_range(0.02..=0.33);
    // As likely upright as lying.
    let longest = 3.3_f64.ln();
    let shape = random.random_range(-longest..=longest).exp();
    let side = |length: f64| (length.round() as usize).clamp(1, SIDE);
    let (height, width) = (side((area * shape).sqrt()), side((area / shape).sqrt()));
    let top = random.random_range(0..=SIDE - height);
    let left = random.random_range(0..=SIDE - width);
    for row in top..top + height {
        random.fill(&mut image[row * SIDE + left..][..width]);
    }
}
