//! One run of a trial: measured or trained.

use std::fs::remove_file;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::origin::Origin;
use super::planned::Planned;
use super::progress::SweepProgress;
use super::record::{FORMAT, Record};
use super::settings::{optimizer, training};
use super::stage::{Pause, Stage};
use super::store::{Store, write};
use super::sweep_run::SweepRun;
use crate::config::{FitConfig, Verbose};
use crate::data::{Dataset, TrainTest};
use crate::error::{Error, Result};
use crate::history::Ended;
use crate::model::Model;
use crate::train::{Callback, finish_with, fit_with};

impl Planned<'_> {
    /// What the sweep hands out of a result.
    pub(super) fn runs(&self, record: &Record) -> Vec<SweepRun> {
        record.runs(&self.trial.name, self.seed, self.wanted)
    }

    /// Measures what is missing in the run's result, or trains it to the end of `stage`.
    pub(super) fn run(
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
                record.model = self.wanted.model.then(|| model_beside(&place));
                return Ok(record);
            }
            progress.again(self, missing);
        }
        let checkpoint = model_beside(&place);
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
        let path = model_beside(place);
        if self.wanted.model {
            model.save(&path)?;
            record.model = (record.diverged.is_none()).then(|| path.clone());
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
            model: None,
        })
    }

    /// The trained network of `record`, where it was kept.
    pub(super) fn kept(&self, result: &Path, record: &Record) -> Result<Option<Model>> {
        let path = model_beside(result);
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

/// Where the checkpoint and the network of a run lie whose result is this file.
pub(super) fn model_beside(result: &Path) -> PathBuf {
    result.with_extension("safetensors")
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
