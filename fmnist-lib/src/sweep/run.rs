//! One run of a trial: found, measured or trained.

use std::fs::remove_file;
use std::path::Path;

use serde_json::Value;

use super::origin::Origin;
use super::planned::Planned;
use super::progress::SweepProgress;
use super::record::{FORMAT, Record};
use super::results::SweepRun;
use super::settings::{optimizer, training};
use super::stage::{Pause, Stage};
use super::store::{Lock, Store, write};
use crate::config::{FitConfig, Verbose};
use crate::data::{Dataset, TrainTest};
use crate::error::{Error, Result};
use crate::history::Ended;
use crate::model::Model;
use crate::train::{Callback, finish_with, fit_with};

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
                if let Some(lock) = lock {
                    lock.release();
                }
                Some((record, true))
            }
        })
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
            Some(record) => {
                lock.release();
                Claim::Done(Box::new(record))
            }
            None => Claim::Ours(Some(lock)),
        })
    }

    /// What the sweep hands out of a result.
    pub(super) fn runs(&self, record: &Record) -> Vec<SweepRun> {
        record.runs(&self.trial.name, self.seed, self.wanted)
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
        let Some((path, record)) = store.find(&self.key)? else {
            return Ok(None);
        };
        let lacks_model = || -> Result<bool> {
            let wants = self.wanted.model && record.diverged.is_none();
            Ok(wants && self.kept(&path, &record)?.is_none())
        };
        let is_complete = record.missing(self.wanted).is_none() && !lacks_model()?;
        Ok(is_complete.then_some(record))
    }

    /// Measures what is missing in the run's result, or trains it to the end of `stage`.
    fn run(
        &self,
        stage: Stage,
        data: &TrainTest,
        store: &Store,
        progress: &mut SweepProgress,
    ) -> Result<Record> {
        let (train, validation) = self.split.apply(&data.train)?;
        let train = train.take(self.trial.images.unwrap_or(usize::MAX));
        if self.without_key.is_some() {
            let place = store.own(&self.key);
            let pause = &mut Pause::after(usize::MAX);
            let trained = self.train(None, stage, pause, (&train, &validation), progress)?;
            return self.finish(trained, &place, false, &validation);
        }
        let place = store.place(&self.key)?;
        if let Some((_, mut record)) = store.find(&self.key)? {
            let missing = record.missing(self.wanted);
            if let Some(model) = self.kept(&place, &record)? {
                progress.measuring(self, stage, missing.unwrap_or("its network"));
                record.measure(&model, &validation, self.wanted)?;
                write(&place, &record)?;
                return Ok(record);
            }
            progress.again(self, missing);
        }
        let checkpoint = place.with_extension("safetensors");
        let last = if self.ends(stage) {
            usize::MAX
        } else {
            stage.to
        };
        let mut pause = Pause::after(last);
        let images = (&train, &validation);
        let trained = self.train(Some(&checkpoint), stage, &mut pause, images, progress)?;
        if pause.reached {
            return self.stop(&trained.0, stage.to, store);
        }
        let record = self.finish(trained, &place, true, &validation)?;
        Ok(match self.ends(stage) {
            true => record,
            false => record.until(stage.to),
        })
    }

    /// Trains, or goes on from `checkpoint`, to the end or to `pause`; returns the network, and how training diverged.
    fn train(
        &self,
        checkpoint: Option<&Path>,
        stage: Stage,
        pause: &mut Pause,
        (train, validation): (&Dataset, &Dataset),
        progress: &mut SweepProgress,
    ) -> Result<(Model, Option<String>)> {
        let trial = self.trial;
        let begun = checkpoint.filter(|path| path.exists());
        let (model, trained) = match begun {
            Some(path) => {
                let mut model = self.restore(path)?;
                self.take_up(&mut model, path)?;
                progress.begin(self, stage, model.history().epochs.len());
                if pause.look(&model) {
                    return Ok((model, None));
                }
                let trained = finish_with(&mut model, train, validation, &mut [progress, pause]);
                (model, trained)
            }
            None => {
                progress.begin(self, stage, 0);
                let mut model = trial.spec.build(self.seed)?;
                let config = FitConfig {
                    seed: self.seed,
                    checkpoint: checkpoint.map(Path::to_owned),
                    verbose: Verbose::Silent,
                    ..trial.config.clone()
                };
                let callbacks: &mut [&mut dyn Callback] = &mut [progress, pause];
                let trained = fit_with(&mut model, train, validation, config, callbacks);
                (model, trained)
            }
        };
        let diverged = match trained {
            Ok(run) if run.ended == Ended::Interrupted => return Err(Error::Interrupted),
            Ok(_) => None,
            Err(error @ Error::Diverged { .. }) => Some(error.to_string()),
            Err(_) if pause.reached => None,
            Err(error) => return Err(error),
        };
        Ok((model, diverged))
    }

    /// Measures the network of a run that has ended, and writes the result.
    fn finish(
        &self,
        (model, diverged): (Model, Option<String>),
        place: &Path,
        has_checkpoint: bool,
        validation: &Dataset,
    ) -> Result<Record> {
        let mut record = self.record(self.settings.clone(), &model, diverged)?;
        record.measure(&model, validation, self.wanted)?;
        let path = place.with_extension("safetensors");
        if self.wanted.model {
            model.save(&path)?;
        }
        write(place, &record)?;
        if !self.wanted.model && has_checkpoint {
            // What is left behind here does no harm.
            let _ = remove_file(path);
        }
        Ok(record)
    }

    /// What is known of a run without measuring its network.
    pub(super) fn record(
        &self,
        settings: Value,
        model: &Model,
        diverged: Option<String>,
    ) -> Result<Record> {
        Ok(Record {
            format: FORMAT,
            trial: self.trial.name.clone(),
            settings,
            origin: Origin::here(),
            parameters: self.trial.spec.summary()?.parameters(),
            history: model.history(),
            diverged,
            measured: None,
            flipped: None,
        })
    }

    /// The trained network of `record`, where it was kept.
    fn kept(&self, result: &Path, record: &Record) -> Result<Option<Model>> {
        let path = result.with_extension("safetensors");
        if !path.exists() {
            return Ok(None);
        }
        let model = self.restore(&path)?;
        // A run that is being repeated leaves its checkpoints here.
        Ok((model.history() == record.history).then_some(model))
    }

    fn restore(&self, path: &Path) -> Result<Model> {
        let mut model = self.trial.spec.build(self.seed)?;
        match model.restore(path) {
            Ok(()) => Ok(model),
            Err(Error::Checkpoint { problem, .. }) => Err(foreign(path, &problem)),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that `model` was read from a checkpoint of this run, and gives the run the code of what is the
    /// user's own.
    fn take_up(&self, model: &mut Model, path: &Path) -> Result<()> {
        let Some(plan) = &mut model.log.run else {
            return Err(foreign(path, "it holds no training run"));
        };
        let (begun, wanted) = (&mut plan.config, &self.trial.config);
        if plan.epochs_before > 0
            || begun.seed != self.seed
            || training(begun)? != training(wanted)?
            || optimizer(begun)? != optimizer(wanted)?
        {
            return Err(foreign(path, "it holds a training run with other settings"));
        }
        begun.loss = wanted.loss.clone();
        begun.optimizer = wanted.optimizer.clone();
        Ok(())
    }
}

fn foreign(path: &Path, problem: &str) -> Error {
    Error::Checkpoint {
        path: path.to_owned(),
        problem: format!(
            "{problem}. The sweep keeps a checkpoint or a model under this name: move the file away, \
             and the run is done anew"
        ),
    }
}
