//! How the learning rate changes while training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::history::EpochRecord;

/// By how much a validation loss must be lower to be better: `min_delta` of Keras's `ReduceLROnPlateau`.
const LOWER: f64 = 1e-4;

/// How the learning rate changes, from epoch to epoch or, where it does so smoothly, from step to
/// step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
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
    /// By a list: from each number of epochs on, the configured rate times the factor beside it, as
    /// `Piecewise(vec![(30, 0.1), (40, 0.01)])`: Keras's `PiecewiseConstantDecay` and PyTorch's
    /// `MultiStepLR`.
    Piecewise(Vec<(usize, f64)>),
    /// Times `factor` whenever the validation loss has not become lower for `patience` epochs, by 0.0001 or
    /// more: Keras's `ReduceLROnPlateau`, whose defaults are 0.1 and 10.
    Plateau {
        /// What the rate is multiplied with.
        factor: f64,
        /// Epochs without a lower loss.
        patience: usize,
    },
    /// Up from 0 in equal steps, then another schedule for the rest of the run; see
    /// [`warm_up`](Self::warm_up).
    WarmUp {
        /// Epochs of the rise; parts of them count.
        epochs: f64,
        /// What comes behind it.
        then: Box<Self>,
    },
}

impl Schedule {
    /// This schedule behind a rise of the rate from 0, in equal steps, for so many epochs: `warmup_steps` of
    /// Keras's `CosineDecay` (Goyal et al., 2017). The rest of the run is this schedule's whole run.
    ///
    /// ```
    /// use fmnist_lib::{FitConfig, Schedule};
    ///
    /// let config = FitConfig::default().epochs(30).schedule(Schedule::Cosine.warm_up(2.0));
    /// # let _ = config;
    /// ```
    pub fn warm_up(self, epochs: f64) -> Self {
        let then = Box::new(self);
        Self::WarmUp { epochs, then }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::Invalid(problem));
        let positive = |factor: f64| factor > 0.0 && factor.is_finite();
        match self {
            Self::Step { every: 0, .. } => {
                refuse("a step schedule changes every 1 or more epochs, not every 0".into())
            }
            Self::Step { factor, .. } | Self::Plateau { factor, .. } if !positive(*factor) => {
                refuse(format!(
                    "the factor of a learning rate must be a positive number (0.1 is usual), not {factor}"
                ))
            }
            Self::Plateau { patience: 0, .. } => {
                refuse("a plateau has 1 epoch or more without a lower loss, not 0".into())
            }
            &Self::OneCycle { rise } if !(rise > 0.0 && rise < 1.0) => refuse(format!(
                "the rate of a one-cycle schedule rises for a part of the run between 0 and 1 \
                 (0.3 is usual), not {rise}"
            )),
            Self::Piecewise(list) => {
                let rising = list.is_sorted_by(|one, two| one.0 < two.0);
                match list.iter().find(|(_, factor)| !positive(*factor)) {
                    Some((epoch, factor)) => refuse(format!(
                        "the factor from epoch {epoch} on must be a positive number, not {factor}"
                    )),
                    None if !rising => refuse(format!(
                        "the epochs of a schedule's list must rise, not stand as in {list:?}"
                    )),
                    None => Ok(()),
                }
            }
            Self::WarmUp { epochs, .. } if !(positive(*epochs) || *epochs == 0.0) => {
                refuse(format!("a warm-up takes 0 epochs or more, not {epochs}"))
            }
            Self::WarmUp { then, .. } => then.check(),
            _ => Ok(()),
        }
    }

    /// Whether it looks at validation losses.
    pub(crate) fn needs_validation(&self) -> bool {
        match self {
            Self::Plateau { .. } => true,
            Self::WarmUp { then, .. } => then.needs_validation(),
            _ => false,
        }
    }

    /// The learning rate of a step. `done`, in epochs, is how much of the run lies before it; `epochs`
    /// are all of the run, of which `history` are behind it.
    pub(crate) fn rate(
        &self,
        configured: f64,
        done: f64,
        epochs: f64,
        history: &[EpochRecord],
    ) -> f64 {
        let progress = done / epochs;
        match *self {
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
            Self::Piecewise(ref list) => {
                let begun = list.iter().rev().find(|(epoch, _)| *epoch as f64 <= done);
                configured * begun.map_or(1.0, |(_, factor)| *factor)
            }
            Self::Plateau { factor, patience } => {
                configured * factor.powi(plateaus(history, patience))
            }
            Self::WarmUp { epochs: rise, .. } if done < rise => configured * done / rise,
            Self::WarmUp {
                epochs: rise,
                ref then,
            } => then.rate(configured, done - rise, epochs - rise, history),
        }
    }
}

/// How often `patience` epochs have gone by without a lower validation loss.
fn plateaus(history: &[EpochRecord], patience: usize) -> i32 {
    let (mut lowest, mut since, mut plateaus) = (f64::INFINITY, 0, 0);
    for record in history {
        let loss = record.val_loss.map_or(f64::NAN, f64::from);
        if loss < lowest - LOWER {
            (lowest, since) = (loss, 0);
            continue;
        }
        since += 1;
        if since == patience {
            (since, plateaus) = (0, plateaus + 1);
        }
    }
    plateaus
}

/// From `from` to `to` along half a cosine, at `progress` of 0 to 1.
fn between(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::history::EpochRecord;

    fn history(losses: &[f32]) -> Vec<EpochRecord> {
        let record = |(epoch, &loss): (usize, &f32)| EpochRecord {
            epoch,
            loss: 1.0,
            accuracy: Some(0.5),
            val_loss: Some(loss),
            val_accuracy: Some(0.5),
            learning_rate: 0.1,
            seconds: 1.0,
            images_per_second: 1.0,
        };
        losses.iter().enumerate().map(record).collect()
    }

    /// The rates that `keras.callbacks.ReduceLROnPlateau` of Keras 3.15.1 sets for the same losses.
    #[test]
    fn the_rate_falls_on_plateaus_as_in_keras() {
        let losses = [
            1.0,
            0.9,
            0.89995,
            0.95,
            0.8,
            0.8,
            0.79991,
            0.79985,
            f32::NAN,
            0.7,
            0.71,
            0.72,
            0.73,
            0.74,
            0.75,
            0.76,
        ];
        let keras = [
            (0.5, 2, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4]),
            (0.2, 3, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]),
        ];
        let history = history(&losses);
        for (factor, patience, falls) in keras {
            let schedule = Schedule::Plateau { factor, patience };
            for (epoch, falls) in falls.into_iter().enumerate() {
                let rate = schedule.rate(0.1, epoch as f64, 16.0, &history[..epoch]);
                let expected = 0.1 * factor.powi(falls);
                assert!(
                    (rate - expected).abs() < 1e-12,
                    "epoch {epoch}: {rate} for {expected}"
                );
            }
        }
    }
}
