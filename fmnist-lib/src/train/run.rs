//! A run from where it stands to its end.

use std::ops::ControlFlow;

use super::callbacks::Callback;
use super::early_stopping::{keep_best, restore_best, stopped_early};
use super::epoch::train_epoch;
use super::{averaging, progress};
use crate::config::FitConfig;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::files::check_writable;
use crate::history::{Ended, History};
use crate::interrupt::Interruptible;
use crate::model::{Model, RunPlan};
use crate::table::counted;

/// What a [`fit`](crate::fit) did.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The epochs of this run.
    pub history: History,
    /// Why it ended.
    pub ended: Ended,
}

/// Refuses what cannot work, before anything changes.
pub(crate) fn check(
    model: &Model,
    config: &FitConfig,
    train: &Dataset,
    validation: Option<&Dataset>,
) -> Result<()> {
    check_training(model, config, train)?;
    if let Some(validation) = validation {
        model.check_data(validation, config.loss.as_loss())?;
    }
    let needs_validation = [
        ("early stopping", config.early_stopping.is_some()),
        ("a plateau schedule", config.schedule.needs_validation()),
    ];
    if let Some((what, _)) = needs_validation.iter().find(|(_, needed)| *needed)
        && validation.is_none_or(Dataset::is_empty)
    {
        return Err(Error::Invalid(format!("{what} needs validation images")));
    }
    let files = [&config.checkpoint, &config.csv];
    files
        .into_iter()
        .flatten()
        .try_for_each(|path| check_writable(path))
}

/// Refuses what no step can be made with.
pub(super) fn check_training(model: &Model, config: &FitConfig, train: &Dataset) -> Result<()> {
    config.check()?;
    config.augmentation.check(train.shape())?;
    if train.is_empty() {
        return Err(Error::Invalid("there are no training images".into()));
    }
    config.cross_entropy().check_weights(train)?;
    model.check_data(train, config.loss.as_loss())
}

/// Refuses other data than those of the epoch in which the run was stopped.
pub(super) fn check_same_data(model: &Model, train: &Dataset) -> Result<()> {
    match model.log().epoch_so_far {
        Some(so_far) if so_far.images != train.len() => Err(Error::Invalid(format!(
            "the run was stopped in an epoch of {}, but now there are {}: a run goes on with the \
             training images that it began with",
            counted(so_far.images, "image"),
            train.len()
        ))),
        _ => Ok(()),
    }
}

/// Trains to the end of the plan.
pub(super) fn run(
    model: &Model,
    train: &Dataset,
    validation: Option<&Dataset>,
    plan: &RunPlan,
    callbacks: &mut [&mut dyn Callback],
) -> Result<Run> {
    let stop = Interruptible::begin();
    let mut progress = progress::choose(model, plan);
    let mut told: Vec<&mut dyn Callback> = vec![progress.as_mut()];
    told.extend(
        callbacks
            .iter_mut()
            .map(|callback| &mut **callback as &mut dyn Callback),
    );
    let ended_before = model.log().ended;
    let ended = match ended_before {
        Some(ended) => ended,
        None => {
            let ended = train_epochs(model, train, validation, plan, &mut told, &stop)?;
            // Whoever stops by hand may want to go on from here.
            if ended != Ended::Interrupted {
                averaging::settle(model)?;
                restore_best(model, plan)?;
                model.log().ended = Some(ended);
            }
            if let Some(path) = &plan.config.checkpoint {
                model.save(path)?;
            }
            ended
        }
    };
    for callback in &mut told {
        callback.on_train_end(model, ended)?;
    }
    let epochs = model.log().history.epochs[plan.epochs_before..].to_vec();
    Ok(Run {
        history: History { epochs },
        ended,
    })
}

fn train_epochs(
    model: &Model,
    train: &Dataset,
    validation: Option<&Dataset>,
    plan: &RunPlan,
    told: &mut [&mut dyn Callback],
    stop: &Interruptible,
) -> Result<Ended> {
    if stopped_early(model, plan) {
        return Ok(Ended::StoppedEarly);
    }
    let first = model.log().history.epochs.len() + 1;
    let last = plan.last_epoch();
    for epoch in first..=last {
        let epoch_end = train_epoch(model, train, validation, plan, epoch, told, stop)?;
        let (record, mut wanted) = match epoch_end {
            ControlFlow::Continue(end) => end,
            ControlFlow::Break(ended) => return Ok(ended),
        };
        {
            let mut log = model.log();
            log.history.epochs.push(record.clone());
            log.epoch_so_far = None;
        }
        keep_best(model, plan)?;
        if let Some(path) = &plan.config.checkpoint {
            model.save(path)?;
        }
        if let Some(path) = &plan.config.csv {
            model.history().save_csv(path)?;
        }
        for callback in &mut *told {
            if callback.on_epoch_end(model, &record)?.is_break() {
                wanted = ControlFlow::Break(());
            }
        }
        if stopped_early(model, plan) {
            return Ok(Ended::StoppedEarly);
        }
        if wanted.is_break() {
            return Ok(Ended::ByCallback);
        }
        // Behind the last epoch there is nothing left to stop.
        if stop.requested() && epoch < last {
            return Ok(Ended::Interrupted);
        }
    }
    Ok(Ended::Completed)
}
