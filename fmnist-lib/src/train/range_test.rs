//! Which learning rates are worth trying.

use std::ops::RangeInclusive;

use super::batch::Batch;
use super::epoch::train_step;
use super::processes::Team;
use super::run::check_training;
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::data::shuffled;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::nn::Step;

/// How much of the smoothed loss is kept in each step.
const SMOOTHING: f64 = 0.9;
/// A loss this many times the lowest is out of hand.
const OUT_OF_HAND: f64 = 4.0;

/// The learning rate range test (Smith, 2017; fastai's `lr_find`): trains a new network of `spec` for
/// one epoch while the learning rate grows from the first to the last of `rates`, by the same factor
/// in each step. Returns (learning rate, loss) for each step; the loss is smoothed over about ten steps.
///
/// Where the loss falls most steeply is a good learning rate to begin with; where it rises again the
/// rate is too high. The test ends early there: at four times the lowest loss, or NaN.
///
/// `config` gives batch size, augmentation, label smoothing, weight decay and seed.
///
/// # Errors
/// [`Error::Invalid`] when there are no images, the rates are not positive and rising, or other
/// settings cannot work; [`Error::Interrupted`] on Ctrl-C or a notebook's Stop.
pub fn range_test(
    spec: &ModelSpec,
    train: &Dataset,
    rates: RangeInclusive<f64>,
    config: &FitConfig,
) -> Result<Vec<(f64, f64)>> {
    let mut model = spec.build(config.seed)?;
    check_training(&model, config, train)?;
    let (lowest, highest) = (*rates.start(), *rates.end());
    if !(lowest > 0.0 && lowest < highest && highest.is_finite()) {
        return Err(Error::Invalid(format!(
            "a range test needs positive, rising learning rates (1e-5..=1.0), not {rates:?}"
        )));
    }
    let team = Team::alone();
    let order = shuffled(train.len(), config.seed, 1);
    let steps = order.len().div_ceil(config.batch_size);
    let factor = (highest / lowest).powf(1.0 / (steps.max(2) - 1) as f64);
    let (mut points, mut smoothed, mut best) = (Vec::new(), 0.0, f64::INFINITY);
    for (index, indices) in order.chunks(config.batch_size).enumerate() {
        let rate = lowest * factor.powi(index as i32);
        let step = Step {
            seed: config.seed,
            epoch: 1,
            step: index + 1,
        };
        let batch = Batch {
            dataset: train,
            indices,
            epoch: step.epoch,
        };
        let loss = match train_step(&mut model, &batch, config, step, rate, &team) {
            Ok((loss, _)) => f64::from(loss),
            Err(Error::Diverged { .. }) => break,
            Err(error) => return Err(error),
        };
        smoothed = SMOOTHING * smoothed + (1.0 - SMOOTHING) * loss;
        // Begun at 0, it is too small by a known factor, as Adam's moments are.
        let loss = smoothed / (1.0 - SMOOTHING.powi(index as i32 + 1));
        points.push((rate, loss));
        best = loss.min(best);
        if loss > OUT_OF_HAND * best {
            break;
        }
        if team.stop_requested() {
            return Err(Error::Interrupted);
        }
    }
    Ok(points)
}
