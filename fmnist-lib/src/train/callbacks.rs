//! What training tells the outside, step by step.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::history::{Ended, EpochRecord};
use crate::model::Model;

/// Follows a [`fit_with`](crate::fit_with). Its methods do nothing unless written.
pub trait Callback {
    /// Called after each step.
    ///
    /// # Errors
    /// An error ends training and becomes the result of `fit_with`.
    fn on_step_end(&mut self, _record: &StepRecord) -> Result<()> {
        Ok(())
    }

    /// Called after each epoch, when the checkpoint is written. `Break` ends the run for good: neither
    /// [`finish`](crate::finish) nor [`resume`](crate::resume) goes on with it.
    ///
    /// # Errors
    /// An error ends training and becomes the result of `fit_with`.
    fn on_epoch_end(&mut self, _model: &Model, _record: &EpochRecord) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    /// Called when training has ended without an error, for whatever reason: the model is as `fit`
    /// leaves it, and the checkpoint is written.
    ///
    /// # Errors
    /// An error becomes the result of `fit_with`.
    fn on_train_end(&mut self, _model: &Model, _ended: Ended) -> Result<()> {
        Ok(())
    }
}

/// Where an epoch stands; loss and accuracy are means over its steps so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// The batch within the epoch, counted from 1.
    pub step: usize,
    /// Batches in the epoch.
    pub steps: usize,
    /// Mean loss.
    pub loss: f32,
    /// Fraction classified correctly, 0 to 1; `None` where the network does not classify.
    pub accuracy: Option<f32>,
    /// Training speed.
    pub images_per_second: f64,
}
