//! One epoch of training.

use std::time::Instant;

use super::averaging::{average, with_average};
use super::callbacks::{Callback, StepRecord};
use crate::config::FitConfig;
use crate::evaluate::measure;
use crate::history::EpochRecord;
use crate::interrupt::Interruptible;
use crate::model::{Gradients, Model, RunPlan};
use crate::nn::Step;
use crate::preprocess::{augmented_batch, shuffled};
use crate::{Dataset, Error, Result};

/// One step of Adam on the images at `indices`: their mean loss before it, and how many of them were
/// classified correctly.
pub(super) fn train_step(
    model: &Model,
    train: &Dataset,
    indices: &[usize],
    config: &FitConfig,
    step: Step,
    rate: f64,
) -> Result<(f32, usize)> {
    let (inputs, labels) = augmented_batch(
        train,
        indices,
        model.spec().input_scaling(),
        &config.augmentation,
        (config.seed, step.epoch),
        model.device(),
    )?;
    let Gradients {
        loss,
        correct,
        of_weights,
    } = model.gradients(&inputs, &labels, config.label_smoothing, step)?;
    if !loss.is_finite() {
        return Err(Error::Diverged {
            epoch: step.epoch,
            step: step.step,
            loss,
            learning_rate: rate,
        });
    }
    model
        .adam()
        .step(model.vars(), &of_weights, rate, config.weight_decay)?;
    Ok((loss, correct))
}

/// Trains one epoch (counted from 1) and measures the model on `validation`; `None` where it was
/// interrupted before its last step.
pub(super) fn train_epoch(
    model: &Model,
    train: &Dataset,
    validation: Option<&Dataset>,
    plan: &RunPlan,
    epoch: usize,
    callbacks: &mut [&mut dyn Callback],
    stop: &Interruptible,
) -> Result<Option<EpochRecord>> {
    let config = &plan.config;
    let start = Instant::now();
    let epoch_of_run = epoch - plan.epochs_before - 1;
    let order = shuffled(train.len(), config.seed, epoch);
    let steps = order.len().div_ceil(config.batch_size);
    let (mut loss_sum, mut right, mut seen, mut rate) = (0.0, 0, 0, config.learning_rate);
    for (index, indices) in order.chunks(config.batch_size).enumerate() {
        let step = Step {
            seed: config.seed,
            epoch,
            step: index + 1,
        };
        let done = epoch_of_run as f64 + index as f64 / steps as f64;
        rate = config
            .schedule
            .rate(config.learning_rate, done, config.epochs);
        let (loss, correct) = train_step(model, train, indices, config, step, rate)?;
        average(model, plan, epoch_of_run * steps + step.step)?;

        loss_sum += f64::from(loss) * indices.len() as f64;
        right += correct;
        seen += indices.len();
        let record = StepRecord {
            epoch,
            step: step.step,
            steps,
            loss: (loss_sum / seen as f64) as f32,
            accuracy: right as f32 / seen as f32,
            images_per_second: seen as f64 / start.elapsed().as_secs_f64(),
        };
        for callback in &mut *callbacks {
            callback.on_step_end(&record)?;
        }
        if stop.requested() && step.step < steps {
            return Ok(None);
        }
    }
    let images_per_second = seen as f64 / start.elapsed().as_secs_f64();
    let measured = match validation {
        Some(validation) if !validation.is_empty() => {
            Some(with_average(model, || measure(model, validation, None))?)
        }
        _ => None,
    };
    Ok(Some(EpochRecord {
        epoch,
        loss: (loss_sum / seen as f64) as f32,
        accuracy: right as f32 / seen as f32,
        val_loss: measured.as_ref().map(|measured| measured.loss),
        val_accuracy: measured.as_ref().map(|measured| measured.accuracy),
        learning_rate: rate,
        seconds: start.elapsed().as_secs_f64(),
        images_per_second,
    }))
}
