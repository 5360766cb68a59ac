//! The moving average of the weights.

use candle_core::Tensor;

use crate::error::Result;
use crate::model::{Model, RunPlan, vars};
use crate::nn::{f32_slice_mut, f32_slices, on_cpu_in_f32};

/// Moves the average towards the weights. `step` counts the steps of the run, from 1.
pub(super) fn average(model: &mut Model, plan: &RunPlan, step: usize) -> Result<()> {
    let Some(momentum) = plan.config.ema_momentum else {
        return Ok(());
    };
    let Some(averages) = &mut model.log.average else {
        model.log.average = Some(model.snapshot()?);
        return Ok(());
    };
    // The first weights are random: the average should not remember them for long.
    let momentum = momentum.min((1 + step) as f64 / (10 + step) as f64);
    for (average, weight) in averages.iter_mut().zip(vars(&model.weights)) {
        if on_cpu_in_f32(&[average, weight]) {
            let rate = (1.0 - momentum) as f32;
            f32_slices(&[weight], |weights| {
                f32_slice_mut(average, |average| {
                    for (average, weight) in average.iter_mut().zip(weights[0]) {
                        *average += rate * (weight - *average);
                    }
                })
            })??;
        } else {
            let weight = weight.as_detached_tensor();
            *average = (&*average + ((weight - &*average)? * (1.0 - momentum))?)?;
        }
    }
    Ok(())
}

/// What `look` finds with the average in the place of the weights; they are put back.
pub(super) fn with_average<T>(
    model: &mut Model,
    look: impl FnOnce(&Model) -> Result<T>,
) -> Result<T> {
    let Some(average) = copy(model)? else {
        return look(model);
    };
    let weights = model.snapshot()?;
    model.set_weights(&average)?;
    let found = look(model);
    model.set_weights(&weights)?;
    found
}

/// Copies of the averages, or of the weights where they are not averaged.
pub(super) fn best_guess(model: &Model) -> Result<Vec<Tensor>> {
    match copy(model)? {
        Some(average) => Ok(average),
        None => model.snapshot(),
    }
}

/// Leaves the model with the average.
pub(super) fn settle(model: &mut Model) -> Result<()> {
    let average = model.log.average.take();
    average.map_or(Ok(()), |average| model.set_weights(&average))
}

fn copy(model: &Model) -> Result<Option<Vec<Tensor>>> {
    let copies = model.log.average.iter().flatten().map(Tensor::copy);
    let copies: Vec<Tensor> = copies.collect::<candle_core::Result<_>>()?;
    Ok(Some(copies).filter(|copies| !copies.is_empty()))
}
