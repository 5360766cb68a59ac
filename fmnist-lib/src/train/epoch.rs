//! One epoch of training.

use std::ops::ControlFlow;
use std::time::Instant;

use super::averaging::{average, with_average};
use super::batch::Batch;
use super::callbacks::{Callback, StepRecord};
use super::processes::{Command, Team};
use super::shards::gradients;
use super::trainer::Trainer;
use crate::config::FitConfig;
use crate::data::{Dataset, shuffled};
use crate::error::{Error, Result};
use crate::evaluate::{Measured, batches_of, measure};
use crate::history::{Ended, EpochRecord, EpochSoFar};
use crate::model::Model;
use crate::nn::Step;
use crate::optim::add_l2;

/// One step of the optimiser on some images: their mean loss before it, and how many of them were classified
/// correctly, by a network that classifies.
pub(super) fn train_step(
    model: &mut Model,
    batch: &Batch<'_>,
    config: &FitConfig,
    step: Step,
    rate: f64,
    team: &Team,
) -> Result<(f32, Option<usize>)> {
    let mut gradients = gradients(model, batch, config, step, team)?;
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
        let epoch_of_run = plan.epoch_of_run(epoch);
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
            let batch = Batch {
                dataset: train,
                indices,
                epoch,
            };
            self.team.tell(&Command::Step {
                epoch,
                step: step.step,
                rate,
            });
            let (loss, correct) = train_step(model, &batch, config, step, rate, &self.team)?;
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
            if self.team.stop_requested() && step.step < steps {
                return Ok(ControlFlow::Break(Ended::Interrupted));
            }
        }
        let measured = match self.validation {
            Some(validation) if !validation.is_empty() => {
                self.team.tell(&Command::Measure);
                Some(validate(model, validation, config, &self.team)?)
            }
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

/// Measures the model on the validation images, of which each process takes a part.
pub(super) fn validate(
    model: &mut Model,
    validation: &Dataset,
    config: &FitConfig,
    team: &Team,
) -> Result<Measured> {
    let batches = batches_of(validation);
    let (peers, loss) = (team.peers(), config.loss.as_loss());
    let each = batches.div_ceil(peers.size());
    let first = batches.min(peers.rank() * each);
    let own = first..batches.min(first + each);
    let mut told = with_average(model, |model| measure(model, validation, loss, own))?;
    told.resize(2 * each, 0.0);
    let heard = peers.all_gather(&told);
    Ok(Measured::of(model, validation, &heard[..2 * batches]))
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
