//! What a run did, and what is refused before it begins.

use super::processes::check_shared;
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::history::{Ended, History};
use crate::model::Model;
use crate::support::files::check_writable;
use crate::support::table::counted;

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
    check_shared(model, config)?;
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
    model.check_learns()?;
    if config.shards > 1 {
        model.check_shards()?;
    }
    config.cross_entropy().check_weights(train)?;
    model.check_data(train, config.loss.as_loss())
}

/// Refuses other data than those of the epoch in which the run was stopped.
pub(super) fn check_same_data(model: &Model, train: &Dataset) -> Result<()> {
    match model.log.epoch_so_far {
        Some(so_far) if so_far.images != train.len() => Err(Error::Invalid(format!(
            "the run was stopped in an epoch of {}, but now there are {}: a run goes on with the \
             training images that it began with",
            counted(so_far.images, "image"),
            train.len()
        ))),
        _ => Ok(()),
    }
}
