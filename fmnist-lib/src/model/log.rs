//! What training has left behind, besides weights and moments.

use std::mem::take;

use candle_core::Tensor;

use crate::config::FitConfig;
use crate::history::{Ended, EpochSoFar, History};

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) history: History,
    /// The run in progress, or the last one.
    pub(crate) run: Option<RunPlan>,
    /// The weights of the best epoch so far, where early stopping wants them back.
    pub(crate) best: Option<Vec<Tensor>>,
    /// The moving average of the weights, where the run in progress keeps one.
    pub(crate) average: Option<Vec<Tensor>>,
    /// Where the run in progress stands within an epoch.
    pub(crate) epoch_so_far: Option<EpochSoFar>,
    /// Why the run has ended, where it is not to go on.
    pub(crate) ended: Option<Ended>,
}

impl Log {
    /// Begins a run.
    pub(crate) fn begin(&mut self, config: FitConfig) -> RunPlan {
        let plan = RunPlan {
            config,
            epochs_before: self.history.epochs.len(),
        };
        self.forget_run();
        self.run = Some(plan.clone());
        plan
    }

    /// Leaves nothing but the history.
    pub(crate) fn forget_run(&mut self) {
        *self = Self {
            history: take(&mut self.history),
            ..Self::default()
        };
    }
}

/// What was asked of a run, so that a checkpoint can finish it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RunPlan {
    pub(crate) config: FitConfig,
    /// Epochs the model had seen before.
    pub(crate) epochs_before: usize,
}

impl RunPlan {
    /// Epochs of this run before `epoch`, which is counted from 1 over all runs.
    pub(crate) fn epoch_of_run(&self, epoch: usize) -> usize {
        epoch - self.epochs_before - 1
    }

    /// The number of its last epoch, counted from 1.
    pub(crate) fn last_epoch(&self) -> usize {
        self.epochs_before.saturating_add(self.config.epochs)
    }
}
