//! The training loop.

mod averaging;
mod batch;
mod callbacks;
mod early_stopping;
mod epoch;
mod gradient_noise;
mod live;
mod measures;
mod on_batch;
mod processes;
mod progress;
mod range_test;
mod rate_function;
mod run;
mod shards;
mod tensorboard;
mod trainer;

use std::path::Path;

use callbacks::CallbackList;
pub use callbacks::{Callback, StepRecord};
pub use gradient_noise::{GradientNoise, gradient_noise};
pub use measures::Measures;
pub use on_batch::{BatchResult, train_on_batch};
#[cfg(feature = "mpi")]
pub use processes::Mpi;
use processes::Team;
pub use range_test::range_test;
pub use rate_function::LearningRateScheduler;
pub use run::Run;
pub(crate) use run::check;
use run::check_same_data;
pub use tensorboard::TensorBoard;
use trainer::Trainer;

use crate::config::FitConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::model::{Model, RunPlan};

/// Trains `model` on `train` by the loss and the optimiser of `config`, and measures it on
/// `validation` (a `&Dataset`, or `None`) after each epoch.
///
/// A model that was trained before is trained for `config.epochs` more, as in Keras: its optimiser
/// keeps its state (unless `config` has another one) and the epochs are counted on, while schedule, average and early stopping begin anew.
/// To go on with a run that was stopped, call [`finish`] instead.
///
/// The interrupt signal (Ctrl-C, or the Stop button of a notebook that `notebooks/start.sh` serves)
/// ends it after the current batch: it returns as usual, with [`Ended::Interrupted`](crate::Ended::Interrupted).
/// SIGTERM (of Slurm, Kubernetes or `docker stop`) ends the process then, with status 143: what is to go on needs a
/// checkpoint. A program that handles a signal itself goes on in either case.
///
/// # Errors
/// [`Error::Diverged`] when the loss or a gradient becomes NaN or infinite, before that step changes
/// any weight; [`Error::Invalid`] for settings that cannot work, before the first step; [`Error::Io`] when the
/// checkpoint or the CSV cannot be written, before the first step where that can be known. The model keeps its weights
/// and history in each case.
pub fn fit<'a>(
    model: &mut Model,
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
    model: &mut Model,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
    config: FitConfig,
    callbacks: &mut [&mut dyn Callback],
) -> Result<Run> {
    let validation = validation.into();
    check(model, &config, train, validation)?;
    begin(model, callbacks)?;
    let plan = model.log.begin(config);
    train_on(model, plan, train, validation, callbacks)
}

/// Trains the rest of the run that was stopped in `model`: by the interrupt signal, or by an error.
/// The end is the same as without the stop, bit for bit, also where it came in the middle of an epoch.
/// `train` and `validation` must be the same as then.
///
/// A run that has ended stays as it is.
///
/// # Errors
/// [`Error::Invalid`] when there is no run to finish: the model was never trained, or
/// [`freeze`](Model::freeze) or [`copy_weights`](Model::copy_weights) came since; otherwise as for [`fit`].
pub fn finish<'a>(
    model: &mut Model,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
) -> Result<Run> {
    finish_with(model, train, validation, &mut [])
}

/// As [`finish`], telling `callbacks` of each step and epoch.
///
/// # Errors
/// As for `finish`, and what a callback returns.
pub fn finish_with<'a>(
    model: &mut Model,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
    callbacks: &mut [&mut dyn Callback],
) -> Result<Run> {
    let validation = validation.into();
    let Some(plan) = model.log.run.clone() else {
        return Err(Error::Invalid(
            "the model has no training run to finish (freeze and copy_weights end one): call fit"
                .into(),
        ));
    };
    if model.log.ended.is_none() {
        check(model, &plan.config, train, validation)?;
        check_same_data(model, train)?;
        begin(model, callbacks)?;
    }
    train_on(model, plan, train, validation, callbacks)
}

/// Tells callbacks that the first step is about to come, while nothing has changed.
fn begin(model: &Model, callbacks: &mut [&mut dyn Callback]) -> Result<()> {
    let mut callbacks = callbacks.iter_mut();
    callbacks.try_for_each(|callback| callback.on_train_begin(model))
}

fn train_on<'a>(
    model: &'a mut Model,
    plan: RunPlan,
    train: &'a Dataset,
    validation: Option<&'a Dataset>,
    own: &'a mut [&mut dyn Callback],
) -> Result<Run> {
    let progress = progress::choose(model, &plan);
    let team = match model.log.ended {
        Some(_) => Team::alone(),
        None => Team::lead(model, train, validation)?,
    };
    let trainer = Trainer {
        model,
        plan,
        train,
        validation,
        callbacks: CallbackList { progress, own },
        team,
    };
    trainer.run()
}

/// Loads the checkpoint at `path`, or what [`Model::save`] has written there, and finishes the run
/// that it is of, exactly as if it had never been interrupted. `train` and `validation` must be the
/// same as then. The next checkpoints go to `path`. A CSV that was written beside the checkpoint is
/// from now on written beside `path`; any other stays where it is.
///
/// With callbacks, or with layers of your own: [`Model::load`] or [`Model::restore`], then
/// [`finish_with`].
///
/// # Errors
/// [`Error::Checkpoint`] when the file cannot be used; otherwise as for [`fit`].
pub fn resume<'a>(
    path: impl AsRef<Path>,
    train: &Dataset,
    validation: impl Into<Option<&'a Dataset>>,
) -> Result<(Model, Run)> {
    let path = path.as_ref();
    let mut model = Model::load(path)?;
    match &mut model.log.run {
        Some(plan) => plan.config.checkpoint = Some(path.to_owned()),
        None => {
            return Err(Error::Checkpoint {
                path: path.into(),
                problem: "it holds no training run to resume: use Model::load and fit".into(),
            });
        }
    }
    let run = finish(&mut model, train, validation)?;
    Ok((model, run))
}
