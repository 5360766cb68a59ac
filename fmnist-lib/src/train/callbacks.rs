//! What training tells the outside, step by step.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::history::{Ended, EpochRecord};
use crate::model::Model;

/// Follows a [`fit_with`](crate::fit_with), and may change its learning rate and stop it. The methods do nothing
/// unless written.
///
/// ```
/// use fmnist_lib::*;
///
/// /// Halves the learning rate as soon as the loss of an epoch is below `loss`.
/// struct Slower {
///     loss: f32,
///     factor: f64,
/// }
///
/// impl Callback for Slower {
///     fn learning_rate(&mut self, _epoch: usize, _step: usize, rate: f64) -> f64 {
///         rate * self.factor
///     }
///
///     fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<std::ops::ControlFlow<()>> {
///         if record.loss < self.loss {
///             self.factor = 0.5;
///         }
///         Ok(std::ops::ControlFlow::Continue(()))
///     }
/// }
/// ```
pub trait Callback {
    /// Called before the first step of a run, or of the rest of one that was stopped, when the settings and the data
    /// have been checked and nothing has changed.
    ///
    /// # Errors
    /// An error becomes the result of `fit_with`, and the model stays as it was.
    fn on_train_begin(&mut self, _model: &Model) -> Result<()> {
        Ok(())
    }

    /// The learning rate of the step that comes next (both counted from 1), which is `rate` by the schedule or by the
    /// callback before this one.
    fn learning_rate(&mut self, _epoch: usize, _step: usize, rate: f64) -> f64 {
        rate
    }

    /// Called after each step. `Break` ends the run for good, as behind an epoch; an epoch that is not finished is
    /// not in the history.
    ///
    /// # Errors
    /// An error ends training and becomes the result of `fit_with`.
    fn on_step_end(&mut self, _model: &Model, _record: &StepRecord) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
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

/// Several callbacks as one, in this order. All of them are told, whatever the first of them want.
pub(super) struct CallbackList<'a, 'b> {
    /// What shows the run.
    pub(super) progress: Box<dyn Callback>,
    pub(super) own: &'a mut [&'b mut dyn Callback],
}

impl CallbackList<'_, '_> {
    fn each(
        &mut self,
        mut tell: impl FnMut(&mut dyn Callback) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let mut wanted = tell(self.progress.as_mut())?;
        for callback in &mut *self.own {
            if tell(*callback)?.is_break() {
                wanted = ControlFlow::Break(());
            }
        }
        Ok(wanted)
    }
}

impl Callback for CallbackList<'_, '_> {
    fn learning_rate(&mut self, epoch: usize, step: usize, rate: f64) -> f64 {
        let callbacks = self.own.iter_mut();
        callbacks.fold(rate, |rate, callback| {
            callback.learning_rate(epoch, step, rate)
        })
    }

    fn on_step_end(&mut self, model: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
        self.each(|callback| callback.on_step_end(model, record))
    }

    fn on_epoch_end(&mut self, model: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        self.each(|callback| callback.on_epoch_end(model, record))
    }

    fn on_train_end(&mut self, model: &Model, ended: Ended) -> Result<()> {
        let told = self.each(|callback| {
            callback.on_train_end(model, ended)?;
            Ok(ControlFlow::Continue(()))
        });
        told.map(|_| ())
    }
}
