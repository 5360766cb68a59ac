//! A run that is trained for some of its epochs, and may go on later.

use std::fs::remove_file;
use std::ops::ControlFlow;

use super::key::Key;
use super::planned::Planned;
use super::record::Record;
use super::store::{Store, write};
use crate::error::{Error, Result};
use crate::history::EpochRecord;
use crate::model::Model;
use crate::train::Callback;

/// From where to where a run is trained, in epochs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Stage {
    pub(super) fn epochs(self) -> usize {
        self.to - self.from
    }
}

/// Leaves a run behind an epoch so that its checkpoint goes on with the next one.
pub(super) struct Pause {
    after: usize,
    pub(super) reached: bool,
}

impl Pause {
    pub(super) fn after(after: usize) -> Self {
        Self {
            after,
            reached: false,
        }
    }

    /// Takes note of a checkpoint that lies as far or farther; returns whether it does.
    pub(super) fn look(&mut self, model: &Model) -> bool {
        self.reached = model.log.ended.is_none() && model.history().epochs.len() >= self.after;
        self.reached
    }
}

impl Callback for Pause {
    /// By an error: `Break` would end the run for good.
    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        self.reached = record.epoch >= self.after;
        match self.reached {
            true => Err(Error::Interrupted),
            false => Ok(ControlFlow::Continue(())),
        }
    }
}

impl Record {
    /// The run as it was after so many epochs.
    pub(super) fn until(mut self, epochs: usize) -> Self {
        if self.history.epochs.len() >= epochs {
            self.history.epochs.truncate(epochs);
            self.diverged = None;
        }
        self.measured = None;
        self.flipped = None;
        self.model = None;
        self
    }
}

impl Planned<'_> {
    /// The whole run.
    pub(super) fn whole(&self) -> Stage {
        Stage {
            from: 0,
            to: self.epochs(),
        }
    }

    /// Whether a run that is trained so far has ended.
    pub(super) fn ends(&self, stage: Stage) -> bool {
        stage.to >= self.epochs()
    }

    /// The run after so many epochs, where somebody has trained it so far, or farther.
    pub(super) fn stopped(&self, epochs: usize, store: &Store) -> Result<Option<Record>> {
        let found = match store.find(&self.key)? {
            Some(whole) => Some(whole),
            None => store.find(&self.key_after(epochs))?,
        };
        Ok(found.map(|(_, record)| record.until(epochs)))
    }

    /// Writes the result of a run that is stopped here, perhaps for good.
    pub(super) fn stop(&self, model: &Model, epochs: usize, store: &Store) -> Result<Record> {
        let record = self.record(self.settings_after(epochs), model, None)?;
        let record = record.until(epochs);
        write(&store.own(&self.key_after(epochs)), &record)?;
        Ok(record)
    }

    /// Removes the checkpoint of a run that does not go on, unless it goes on elsewhere.
    pub(super) fn forget(&self, store: &mut Store) -> Result<()> {
        if let Some(_lock) = store.lock(&self.key)?
            && store.find(&self.key)?.is_none()
        {
            // What is left behind here does no harm.
            let _ = remove_file(store.place(&self.key)?.with_extension("safetensors"));
        }
        Ok(())
    }

    /// The settings of the whole run, for its schedule knows how long that is, and where it was stopped.
    fn settings_after(&self, epochs: usize) -> serde_json::Value {
        let mut settings = self.settings.clone();
        settings["stopped_after"] = epochs.into();
        settings
    }

    fn key_after(&self, epochs: usize) -> Key {
        Key::new(&self.trial.name, self.seed, &self.settings_after(epochs))
    }
}
