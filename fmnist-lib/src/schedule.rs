//! How the learning rate changes while training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the learning rate changes, from epoch to epoch or, where it does so smoothly, from step to
/// step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// Always the same.
    #[default]
    Constant,
    /// Times `factor` every `every` epochs.
    Step {
        /// Epochs between two changes.
        every: usize,
        /// What the rate is multiplied with.
        factor: f64,
    },
    /// Down to 0 along half a cosine: Keras's `CosineDecay` (Loshchilov & Hutter, 2017).
    Cosine,
    /// Up to the configured rate from a 25th of it, then down to a 10,000th of that, each along half
    /// a cosine (Smith & Topin, 2018, with the defaults of PyTorch's `OneCycleLR`).
    OneCycle {
        /// The part of the run, between 0 and 1, in which the rate rises; 0.3 is usual.
        rise: f64,
    },
}

impl Schedule {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Step { every: 0, .. } => Err(Error::Invalid(
                "a step schedule changes every 1 or more epochs, not every 0".into(),
            )),
            Self::OneCycle { rise } if !(rise > 0.0 && rise < 1.0) => Err(Error::Invalid(format!(
                "the rate of a one-cycle schedule rises for a part of the run between 0 and 1 \
                 (0.3 is usual), not {rise}"
            ))),
            _ => Ok(()),
        }
    }

    /// The learning rate of a step. `done`, in epochs, is how much of the run lies before it;
    /// `epochs` are all of the run.
    pub(crate) fn rate(self, configured: f64, done: f64, epochs: usize) -> f64 {
        let progress = done / epochs as f64;
        match self {
            Self::Constant => configured,
            Self::Step { every, factor } => {
                configured * factor.powi((done.floor() as usize / every) as i32)
            }
            Self::Cosine => between(configured, 0.0, progress),
            Self::OneCycle { rise } => {
                let start = configured / 25.0;
                if progress < rise {
                    between(start, configured, progress / rise)
                } else {
                    between(configured, start / 1e4, (progress - rise) / (1.0 - rise))
                }
            }
        }
    }
}

/// From `from` to `to` along half a cosine, at `progress` of 0 to 1.
fn between(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
}
