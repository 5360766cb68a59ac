//! One setting to try, and one run of it.

use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::results::{Measured, SweepRun};
use super::store::Key;
use super::{Sweep, progress::SweepProgress};
use crate::train::finish;
use crate::{
    Dataset, Ended, Error, Evaluation, FashionMnist, FitConfig, Model, ModelSpec, Predictions,
    Result, Split, Verbose, evaluate, fit_with, predict,
};

/// A network and how to train it, under a name.
#[derive(Clone, Debug)]
pub struct Trial {
    name: String,
    spec: ModelSpec,
    config: FitConfig,
    images: Option<usize>,
    flip: bool,
}

impl Trial {
    /// Trains `spec` as `config` says. The sweep sets `config`'s seed and checkpoint.
    pub fn new(name: &str, spec: ModelSpec, config: FitConfig) -> Self {
        Self {
            name: name.to_owned(),
            spec,
            config,
            images: None,
            flip: false,
        }
    }

    /// As [`new`](Self::new), under the network's own name.
    pub fn of(spec: ModelSpec, config: FitConfig) -> Self {
        let name = spec.name().to_owned();
        Self::new(&name, spec, config)
    }

    /// Trains on no more than `images` images.
    pub fn images(self, images: usize) -> Self {
        Self {
            images: Some(images),
            ..self
        }
    }

    /// Measures the trained network a second time, by the mean of what it says of an image and of its
    /// mirror image (test-time augmentation), as a trial of its own called `{name} + test-time flip`.
    pub fn test_time_flip(self) -> Self {
        Self { flip: true, ..self }
    }
}

/// A trial with a seed.
pub(super) struct Planned<'a> {
    pub(super) trial: &'a Trial,
    pub(super) seed: u64,
    pub(super) key: Key,
    train_fraction: f64,
    test: bool,
}

impl Planned<'_> {
    pub(super) fn name(&self) -> &str {
        &self.trial.name
    }

    pub(super) fn epochs(&self) -> usize {
        self.trial.config.epochs
    }
}

impl Sweep {
    /// All trials with the first seed, then all with the second…: a sweep that is cut short has
    /// something to compare.
    pub(super) fn plan(&self, data: &FashionMnist) -> Result<Vec<Planned<'_>>> {
        let names: Vec<&str> = self
            .trials
            .iter()
            .map(|trial| trial.name.as_str())
            .collect();
        if let Some(at) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(Error::Invalid(format!(
                "two trials of the sweep are called {:?}: give each a name of its own",
                names[at]
            )));
        }
        let data = fingerprint(&data.train);
        let runs = self.seeds.iter().flat_map(|&seed| {
            let data = data.clone();
            self.trials.iter().map(move |trial| Planned {
                trial,
                seed,
                key: Key::new(&trial.name, seed, &self.settings(trial, seed, &data)),
                train_fraction: self.train_fraction,
                test: self.test,
            })
        });
        Ok(runs.collect())
    }

    /// All that decides what comes out of a run. A setting at its default is left out: one that a
    /// later version adds leaves old results valid.
    fn settings(&self, trial: &Trial, seed: u64, data: &str) -> Value {
        let spec = serde_json::to_value(&trial.spec)
            // A layer of the user's own has no other form.
            .unwrap_or_else(|_| format!("{:?}", trial.spec).into());
        let config = json_object(&trial.config);
        let default = json_object(&FitConfig::default());
        let without_effect = ["seed", "checkpoint", "csv", "verbose"];
        let config: Map<String, Value> = config
            .into_iter()
            .filter(|(name, value)| default.get(name) != Some(value))
            .filter(|(name, _)| !without_effect.contains(&name.as_str()))
            .collect();
        json!({
            "data": data,
            "network": spec,
            "training": config,
            "seed": seed,
            "train_fraction": self.train_fraction,
            "images": trial.images,
            "flip": trial.flip,
            "test": self.test,
        })
    }
}

fn json_object(config: &FitConfig) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        other => unreachable!("a configuration is a JSON object, not {other:?}"),
    }
}

fn fingerprint(dataset: &Dataset) -> String {
    let digest = Sha256::new()
        .chain_update(dataset.images())
        .chain_update(dataset.labels())
        .finalize();
    format!("{digest:x}")
}

impl Planned<'_> {
    /// Trains, or goes on from `checkpoint`, and measures.
    pub(super) fn train(
        &self,
        data: &FashionMnist,
        checkpoint: &Path,
        keep_model: bool,
        progress: &mut SweepProgress,
    ) -> Result<Measured> {
        let trial = self.trial;
        let (train, validation) = Split::new(self.train_fraction, self.seed).apply(&data.train)?;
        let train = train.take(trial.images.unwrap_or(usize::MAX));
        let model = trial.spec.build(self.seed)?;
        let config = FitConfig {
            seed: self.seed,
            checkpoint: Some(checkpoint.to_owned()),
            verbose: Verbose::Silent,
            ..trial.config.clone()
        };
        progress.begin(self);
        let trained = if checkpoint.exists() {
            model.restore(checkpoint)?;
            finish(&model, &train, &validation, &mut [progress])
        } else {
            fit_with(&model, &train, &validation, config, &mut [progress])
        };
        let diverged = match trained {
            Ok(run) if run.ended == Ended::Interrupted => return Err(Error::Interrupted),
            Ok(_) => None,
            Err(error @ Error::Diverged { .. }) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        // The checkpoint is older than what ends a run: best weights, or averages, put in place.
        if keep_model {
            model.save(checkpoint)?;
        }
        type Measure = fn(&Model, &Dataset) -> Result<Evaluation>;
        let measure = |name: &str, how: Measure| -> Result<SweepRun> {
            let measure = |dataset: &Dataset| -> Result<Option<Evaluation>> {
                if diverged.is_some() {
                    return Ok(None);
                }
                // JSON has no infinity: the loss of a network that has become useless.
                let found = Some(how(&model, dataset)?);
                Ok(found.filter(|found| found.loss.is_finite()))
            };
            Ok(SweepRun {
                trial: name.to_owned(),
                seed: self.seed,
                parameters: trial.spec.summary()?.parameters(),
                history: model.history(),
                validation: measure(&validation)?,
                test: if self.test {
                    measure(&data.test)?
                } else {
                    None
                },
                diverged: diverged.clone(),
            })
        };
        let flipped = format!("{} + test-time flip", trial.name);
        Ok(Measured {
            run: measure(&trial.name, evaluate)?,
            flipped: match trial.flip {
                true => Some(measure(&flipped, evaluate_flipped)?),
                false => None,
            },
        })
    }
}

fn evaluate_flipped(model: &Model, dataset: &Dataset) -> Result<Evaluation> {
    let both = [
        predict(model, dataset)?,
        predict(model, &dataset.mirrored())?,
    ];
    Predictions::mean(&both)?.evaluate(dataset)
}
