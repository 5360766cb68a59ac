//! The result of a run: found in the folder, left to another process, or made here.

use super::lock::Lock;
use super::planned::Planned;
use super::progress::SweepProgress;
use super::record::Record;
use super::run::model_beside;
use super::stage::Stage;
use super::store::Store;
use crate::data::TrainTest;
use crate::error::Result;

enum Claim {
    /// Somebody has run it.
    Done(Box<Record>),
    /// Somebody is running it.
    Taken,
    /// It is ours to run for as long as the lock is held. Without a key it is everybody's.
    Ours(Option<Lock>),
}

impl Planned<'_> {
    /// The run's result, and whether it has been made here and now; nothing while somebody else makes it.
    pub(super) fn settle(
        &self,
        stage: Stage,
        data: &TrainTest,
        store: &mut Store,
        progress: &mut SweepProgress,
    ) -> Result<Option<(Record, bool)>> {
        Ok(match self.claim(stage, store)? {
            Claim::Done(record) => {
                progress.found(stage);
                Some((*record, false))
            }
            Claim::Taken => None,
            // The lock is held until the result is written.
            Claim::Ours(lock) => {
                let record = self.run(stage, data, store, progress)?;
                drop(lock);
                Some((record, true))
            }
        })
    }

    /// The run's result, where it lies in the folder.
    pub(super) fn look(
        &self,
        stage: Stage,
        store: &Store,
        progress: &mut SweepProgress,
    ) -> Result<Option<Record>> {
        if self.without_key.is_some() {
            return Ok(None);
        }
        let found = self.found(stage, store)?;
        if found.is_some() {
            progress.found(stage);
        }
        Ok(found)
    }

    /// Finds the run's result, or takes the run.
    fn claim(&self, stage: Stage, store: &mut Store) -> Result<Claim> {
        if self.without_key.is_some() {
            return Ok(Claim::Ours(None));
        }
        if let Some(record) = self.found(stage, store)? {
            return Ok(Claim::Done(Box::new(record)));
        }
        let Some(lock) = store.lock(&self.key)? else {
            return Ok(Claim::Taken);
        };
        // Whoever held the lock before may have finished just now.
        store.look()?;
        Ok(match self.found(stage, store)? {
            Some(record) => Claim::Done(Box::new(record)),
            None => Claim::Ours(Some(lock)),
        })
    }

    /// What is asked of the run, where somebody has done it.
    fn found(&self, stage: Stage, store: &Store) -> Result<Option<Record>> {
        match self.ends(stage) {
            true => self.complete(store),
            false => self.stopped(stage.to, store),
        }
    }

    /// The run's result, where it holds all that is wanted.
    fn complete(&self, store: &Store) -> Result<Option<Record>> {
        let Some((path, mut record)) = store.find(&self.key)? else {
            return Ok(None);
        };
        if record.missing(self.wanted).is_some() {
            return Ok(None);
        }
        if self.wanted.model && record.diverged.is_none() {
            if self.kept(&path, &record)?.is_none() {
                return Ok(None);
            }
            record.model = Some(model_beside(&path));
        }
        Ok(Some(record))
    }
}
