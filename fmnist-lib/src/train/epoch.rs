//! One epoch of training.

use std::ops::ControlFlow;
use std::time::Instant;

use candle_core::Tensor;

use super::averaging::{average, with_average};
use super::callbacks::{Callback, StepRecord};
use super::trainer::Trainer;
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::data::{augmented_batch, shuffled};
use crate::error::{Error, Result};
use crate::evaluate::measure;
use crate::history::{Ended, EpochRecord, EpochSoFar};
use crate::loss::Targets;
use crate::model::Model;
use crate::nn::Step;
use crate::optim::add_l2;

/// The images at `indices`, scaled and augmented as in epoch `epoch`, and their labels.
pub(super) fn inputs(
    model: &Model,
    train: &Dataset,
    indices: &[usize],
    config: &FitConfig,
    epoch: usize,
) -> Result<(Tensor, Tensor)> {
    augmented_batch(
        train,
        indices,
        model.spec().input_scaling(),
        &config.augmentation,
        (config.seed, epoch),
        model.device(),
    )
}

/// One step of the optimiser on some images: their mean loss before it, and how many of them were classified
/// correctly, by a network that classifies.
pub(super) fn train_step(
    model: &mut Model,
    (images, labels): (&Tensor, &Tensor),
    classes: usize,
    config: &FitConfig,
    step: Step,
    rate: f64,
) -> Result<(f32, Option<usize>)> {
    let targets = Targets {
        labels,
        images,
        classes,
    };
    let mut gradients = model.gradients(&targets, &*config.training_loss(), step)?;
    if config.l2 > 0.0 {
        add_l2(config.l2, model.vars(), &mut gradients.of_weights)?;
    }
    if !gradients.are_finite() {
        return Err(Error::Diverged {
            epoch: step.epoch,
            step: step.step,
            loss: gradients.loss,
            learning_rate: rate,
        });
    }
    model.keep_statistics(&gradients.statistics)?;
    if let Some(clip) = config.clip {
        clip.apply(&mut gradients.of_weights);
    }
    model.descend(config, &gradients.of_weights, rate)?;
    Ok((gradients.loss, gradients.correct))
}

impl Trainer<'_, '_> {
    /// Trains an epoch (counted from 1), or what is left of it, and measures the model on the validation images;
    /// `Break` where it was ended before its last step. Beside the record: what callbacks wanted at the last step.
    pub(super) fn epoch(
        &mut self,
        epoch: usize,
    ) -> Result<ControlFlow<Ended, (EpochRecord, ControlFlow<()>)>> {
        let start = Instant::now();
        let Self {
            model, plan, train, ..
        } = self;
        let config = &plan.config;
        let epoch_of_run = epoch - plan.epochs_before - 1;
        let order = shuffled(train.len(), config.seed, epoch);
        let steps = order.len().div_ceil(config.batch_size);
        let history = model.log.history.epochs[plan.epochs_before..].to_vec();
        let rate_of = |index: usize| {
            let done = epoch_of_run as f64 + index as f64 / steps as f64;
            let epochs = config.epochs as f64;
            (config.schedule).rate(config.learning_rate, done, epochs, &history)
        };
        let begun = model.log.epoch_so_far;
        let mut so_far = begun.unwrap_or(EpochSoFar::new(train.len(), model.classifies(train)));
        let (steps_before, seconds_before) = (so_far.steps, so_far.seconds);
        let batches = order.chunks(config.batch_size).enumerate();
        let mut rate = rate_of(steps - 1);
        let mut wanted = ControlFlow::Continue(());
        for (index, indices) in batches.skip(steps_before) {
            let step = Step {
                seed: config.seed,
                epoch,
                step: index + 1,
            };
            rate = self
                .callbacks
                .learning_rate(epoch, step.step, rate_of(index));
            check_rate(rate)?;
            let (images, labels) = inputs(model, train, indices, config, epoch)?;
            let batch = (&images, &labels);
            let (loss, correct) = train_step(model, batch, train.classes(), config, step, rate)?;
            average(model, plan, epoch_of_run * steps + step.step)?;

            so_far.steps = step.step;
            so_far.images_seen += indices.len();
            so_far.loss_sum += f64::from(loss) * indices.len() as f64;
            so_far.correct = so_far.correct.zip(correct).map(|(all, more)| all + more);
            so_far.seconds = seconds_before + start.elapsed().as_secs_f64();
            // With each step: whatever ends the run, and whoever saves the model, finds it.
            model.log.epoch_so_far = Some(so_far);
            let record = StepRecord {
                epoch,
                step: step.step,
                steps,
                loss: so_far.loss(),
                accuracy: so_far.accuracy(),
                images_per_second: so_far.images_per_second(),
            };
            wanted = self.callbacks.on_step_end(model, &record)?;
            // Behind the last step there is a whole epoch to record.
            if wanted.is_break() && step.step < steps {
                model.log.epoch_so_far = None;
                return Ok(ControlFlow::Break(Ended::ByCallback));
            }
            if self.stop.requested() && step.step < steps {
                return Ok(ControlFlow::Break(Ended::Interrupted));
            }
        }
        let measured = match self.validation {
            Some(validation) if !validation.is_empty() => Some(with_average(model, |model| {
                measure(model, validation, config.loss.as_loss())
            })?),
            _ => None,
        };
        let record = EpochRecord {
            epoch,
            loss: so_far.loss(),
            accuracy: so_far.accuracy(),
            val_loss: measured.as_ref().map(|measured| measured.loss),
            val_accuracy: measured.as_ref().and_then(|measured| measured.accuracy),
            learning_rate: rate,
            seconds: seconds_before + start.elapsed().as_secs_f64(),
            images_per_second: so_far.images_per_second(),
        };
        Ok(ControlFlow::Continue((record, wanted)))
    }
}

/// Refuses what a callback has made of the learning rate; 0 is a step that changes nothing.
pub(super) fn check_rate(rate: f64) -> Result<()> {
    if (rate as f32).is_finite() && rate >= 0.0 {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a callback wants a learning rate of {rate}: it must be 0 or more, and fit into an f32"
    )))
}
