//! A run from where it stands to its end.

use std::ops::ControlFlow;

use super::averaging;
use super::callbacks::{Callback, CallbackList};
use super::early_stopping::{keep_best, restore_best, stopped_early};
use super::processes::Team;
use super::run::Run;
use crate::data::Dataset;
use crate::error::Result;
use crate::history::{Ended, EpochRecord, History};
use crate::model::{Model, RunPlan};

/// Trains a model, which nobody else can use meanwhile.
pub(super) struct Trainer<'a, 'b> {
    pub(super) model: &'a mut Model,
    pub(super) plan: RunPlan,
    pub(super) train: &'a Dataset,
    pub(super) validation: Option<&'a Dataset>,
    pub(super) callbacks: CallbackList<'a, 'b>,
    pub(super) team: Team,
}

impl Trainer<'_, '_> {
    /// Trains to the end of the plan.
    pub(super) fn run(mut self) -> Result<Run> {
        let ended = match self.model.log.ended {
            Some(ended) => ended,
            None => self.train()?,
        };
        self.callbacks.on_train_end(self.model, ended)?;
        let epochs = self.model.log.history.epochs[self.plan.epochs_before..].to_vec();
        Ok(Run {
            history: History { epochs },
            ended,
        })
    }

    fn train(&mut self) -> Result<Ended> {
        let ended = self.epochs()?;
        // Whoever stops by hand may want to go on from here.
        if ended != Ended::Interrupted {
            averaging::settle(self.model)?;
            restore_best(self.model, &self.plan)?;
            self.model.log.ended = Some(ended);
        }
        self.save()?;
        Ok(ended)
    }

    fn epochs(&mut self) -> Result<Ended> {
        if stopped_early(self.model, &self.plan) {
            return Ok(Ended::StoppedEarly);
        }
        let first = self.model.log.history.epochs.len() + 1;
        let last = self.plan.last_epoch();
        for epoch in first..=last {
            let (record, wanted) = match self.epoch(epoch)? {
                ControlFlow::Continue(end) => end,
                ControlFlow::Break(ended) => return Ok(ended),
            };
            let wanted = [wanted, self.end_epoch(record)?];
            if stopped_early(self.model, &self.plan) {
                return Ok(Ended::StoppedEarly);
            }
            if wanted.iter().any(ControlFlow::is_break) {
                return Ok(Ended::ByCallback);
            }
            // Behind the last epoch there is nothing left to stop.
            if self.team.stop_requested() && epoch < last {
                return Ok(Ended::Interrupted);
            }
        }
        Ok(Ended::Completed)
    }

    /// Records an epoch; returns what callbacks want.
    fn end_epoch(&mut self, record: EpochRecord) -> Result<ControlFlow<()>> {
        self.model.log.history.epochs.push(record.clone());
        self.model.log.epoch_so_far = None;
        keep_best(self.model, &self.plan)?;
        self.save()?;
        if let Some(path) = &self.plan.config.csv {
            self.model.log.history.save_csv(path)?;
        }
        self.callbacks.on_epoch_end(self.model, &record)
    }

    fn save(&self) -> Result<()> {
        let checkpoint = self.plan.config.checkpoint.as_ref();
        checkpoint.map_or(Ok(()), |path| self.model.save(path))
    }
}
