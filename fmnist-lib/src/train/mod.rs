//! The training loop.

mod averaging;
mod callbacks;
mod early_stopping;
mod epoch;
mod gradient_noise;
mod live;
mod progress;
mod range_test;

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

pub use callbacks::{Callback, StepRecord};
use early_stopping::{keep_best, restore_best, stopped_early};
use epoch::train_epoch;
pub use gradient_noise::{GradientNoise, gradient_noise};
pub use range_test::range_test;

use crate::config::FitConfig;
use crate::history::History;
use crate::interrupt::Interruptible;
use crate::model::{Model, RunPlan};
use crate::{Dataset, Error, Result};

/// What a [`fit`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The epochs of this run.
    pub history: History,
    /// Why it ended.
    pub ended: Ended,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Completed,
    /// Early stopping saw no improvement.
    StoppedEarly,
    /// A callback asked for it.
    ByCallback,
    /// The interrupt signal: Ctrl-C, or the notebook's Stop button. The epoch that was not finished
    /// is not in the history; what was learned from its batches is kept, and `fit` goes on from it.
    Interrupted,
}

/// In a sentence, for those who watch.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "All epochs are done.",
            Self::StoppedEarly => "Stopped early: validation no longer improves.",
            Self::ByCallback => "Stopped by a callback.",
            Self::Interrupted => {
                "Interrupted: the model keeps what it has learned, and fit goes on from there."
            }
        })
    }
}

/// Trains `model` on `train` by cross-entropy and Adam, and measures it on `validation` (a
/// `&Dataset`, or `None`) after each epoch.
///
/// A model that was trained before goes on where it was: its optimiser's moments are kept and the
/// epochs counted on, as in Keras.
///
/// The interrupt signal (Ctrl-C, or the Stop button of a notebook that `notebooks/start.sh` serves)
/// ends it after the current batch: it returns as usual, with [`Ended::Interrupted`].
///
/// # Errors
/// [`Error::Diverged`] when the loss becomes NaN or infinite, before that step changes any weight;
/// [`Error::Invalid`] for settings that cannot work; [`Error::Io`] when the checkpoint or the CSV
/// cannot be written. The model keeps its weights and history in each case.
pub fn fit<'a>(
    model: &Model,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
    config: FitConfig,
) -> Result<Run> {
    fit_with(model, train, validation, config, &mut [])
}

/// As [`fit`], telling `callbacks` of each step and epoch.
///
/// # Errors
/// As for `fit`, and what a callback returns.
pub fn fit_with<'a>(
    model: &Model,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
    config: FitConfig,
    callbacks: &mut [&mut dyn Callback],
) -> Result<Run> {
    config.check()?;
    let epochs_before = {
        let mut log = model.log();
        let epochs_before = log.history.epochs.len();
        log.run = Some(RunPlan {
            config,
            epochs_before,
        });
        log.best = None;
        log.average = None;
        epochs_before
    };
    run(
        model,
        train,
        validation.into(),
        epochs_before + 1,
        callbacks,
    )
}

/// Loads the checkpoint at `path` and finishes the run that wrote it, exactly as if it had never
/// been interrupted. `train` and `validation` must be the same as then. The next checkpoints go to
/// `path`, too.
///
/// # Errors
/// [`Error::Checkpoint`] when the file cannot be used; otherwise as for [`fit`].
pub fn resume<'a>(
    path: impl AsRef<Path>,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
) -> Result<(Model, Run)> {
    let path = path.as_ref();
    let model = Model::load(path)?;
    if model.log().run.is_none() {
        return Err(Error::Checkpoint {
            path: path.into(),
            problem: "it holds no training run to resume: use Model::load and fit".into(),
        });
    }
    let run = finish(&model, train, validation, &mut [])?;
    Ok((model, run))
}

/// Trains the rest of the run that the model is in.
pub(crate) fn finish<'a>(
    model: &Model,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
    callbacks: &mut [&mut dyn Callback],
) -> Result<Run> {
    let first = model.log().history.epochs.len() + 1;
    run(model, train, validation.into(), first, callbacks)
}

/// Trains from epoch `first` (counted from 1) to the end of the model's plan.
fn run(
    model: &Model,
    train: &Dataset,
    validation: Option<&Dataset>,
    first: usize,
    callbacks: &mut [&mut dyn Callback],
) -> Result<Run> {
    let plan = model
        .log()
        .run
        .clone()
        .expect("both callers have checked the plan");
    let RunPlan {
        config,
        epochs_before,
    } = &plan;
    if train.is_empty() {
        return Err(Error::Invalid("there are no training images".into()));
    }
    if config.early_stopping.is_some() && validation.is_none_or(Dataset::is_empty) {
        return Err(Error::Invalid(
            "early stopping needs validation images".into(),
        ));
    }
    let stop = Interruptible::begin();
    let mut progress = progress::choose(model, &plan);
    let mut told: Vec<&mut dyn Callback> = vec![progress.as_mut()];
    told.extend(
        callbacks
            .iter_mut()
            .map(|callback| &mut **callback as &mut dyn Callback),
    );

    let mut ended = Ended::Completed;
    if stopped_early(model, &plan) {
        ended = Ended::StoppedEarly;
    } else {
        for epoch in first..=epochs_before + config.epochs {
            let Some(record) =
                train_epoch(model, train, validation, &plan, epoch, &mut told, &stop)?
            else {
                ended = Ended::Interrupted;
                break;
            };
            model.log().history.epochs.push(record.clone());
            keep_best(model, &plan)?;
            if let Some(path) = &config.checkpoint {
                model.save(path)?;
            }
            if let Some(path) = &config.csv {
                model.history().save_csv(path)?;
            }
            let mut wanted = ControlFlow::Continue(());
            for callback in &mut told {
                if callback.on_epoch_end(model, &record)?.is_break() {
                    wanted = ControlFlow::Break(());
                }
            }
            if stopped_early(model, &plan) {
                ended = Ended::StoppedEarly;
                break;
            }
            if wanted.is_break() {
                ended = Ended::ByCallback;
                break;
            }
            if stop.requested() {
                ended = Ended::Interrupted;
                break;
            }
        }
    }
    // Whoever stops by hand may want to go on from here.
    if ended != Ended::Interrupted {
        averaging::settle(model)?;
        restore_best(model, &plan)?;
    }
    for callback in &mut told {
        callback.on_train_end(model, ended)?;
    }
    let epochs = model.log().history.epochs[*epochs_before..].to_vec();
    Ok(Run {
        history: History { epochs },
        ended,
    })
}
