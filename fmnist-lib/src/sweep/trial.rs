//! One setting to try, and the runs that a sweep plans of it.

use serde_json::Value;

use super::Sweep;
use super::key::Key;
use super::record::Wanted;
use super::settings::{fingerprint, settings, without_key};
use crate::config::{FitConfig, Verbose};
use crate::data::Split;
use crate::data::{Dataset, TrainTest};
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::train::check;

/// A network and how to train it, under a name.
#[derive(Clone, Debug)]
#[must_use = "a setting gives back the changed value"]
pub struct Trial {
    pub(super) name: String,
    pub(super) spec: ModelSpec,
    pub(super) config: FitConfig,
    pub(super) images: Option<usize>,
    flip: bool,
    /// Names and values of what was drawn for it.
    settings: Vec<(String, String)>,
}

impl Trial {
    /// Trains `spec` as `config` says. The sweep sets `config`'s seed and checkpoint, and has no use
    /// for its CSV: each result holds its run's history.
    pub fn new(name: &str, spec: ModelSpec, config: FitConfig) -> Self {
        Self {
            name: name.to_owned(),
            spec,
            config,
            images: None,
            flip: false,
            settings: Vec::new(),
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

    /// Its name in tables and figures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// How it is trained.
    pub fn config(&self) -> &FitConfig {
        &self.config
    }

    /// Names and values of what [`random_search`](crate::random_search) drew for it.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        settings.find_map(|(own, value)| (own == name).then_some(value.as_str()))
    }

    /// Under the name that its settings make.
    pub(super) fn with_settings(self, settings: Vec<(String, String)>) -> Self {
        let words = settings
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        Self {
            name: words.collect::<Vec<_>>().join(", "),
            settings,
            ..self
        }
    }

    /// Refuses what can be seen to fail before anything is trained: it would otherwise end a sweep of many hours.
    pub(super) fn check(&self, train: &Dataset, validation: &Dataset) -> Result<()> {
        let located = |error: Error| error.about(&format!("trial {:?}", self.name));
        let model = self.spec.build(0).map_err(located)?;
        let train = train.take(self.images.unwrap_or(usize::MAX));
        // Each run has a checkpoint of its own.
        let config = FitConfig {
            checkpoint: None,
            ..self.config.clone()
        };
        check(&model, &config, &train, Some(validation)).map_err(located)?;
        if model.classifies(&train) {
            return Ok(());
        }
        Err(located(Error::Invalid(format!(
            "a sweep compares networks that give a score for each of the {} classes; train any other by `fit` and \
             measure it by `mean_loss`",
            train.classes()
        ))))
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
    pub(super) settings: Value,
    pub(super) split: Split,
    pub(super) wanted: Wanted<'a>,
    /// What of the user's own has no key: no result that lies in the folder counts.
    pub(super) without_key: Option<String>,
}

impl Planned<'_> {
    pub(super) fn name(&self) -> String {
        format!("{}, seed {}", self.trial.name, self.seed)
    }

    pub(super) fn epochs(&self) -> usize {
        self.trial.config.epochs
    }

    pub(super) fn is_silent(&self) -> bool {
        self.trial.config.verbose == Verbose::Silent
    }
}

/// The data of a sweep, with their fingerprints.
pub(super) struct Fingerprints {
    train: String,
    /// Where the test images are wanted.
    test: Option<String>,
}

impl Sweep {
    pub(super) fn fingerprints(&self, data: &TrainTest) -> Fingerprints {
        Fingerprints {
            train: fingerprint(&data.train),
            test: self.test.then(|| fingerprint(&data.test)),
        }
    }

    /// All trials with the first seed, then all with the second…: a sweep that is cut short has
    /// something to compare.
    pub(super) fn plan<'a>(
        &'a self,
        data: &'a TrainTest,
        fingerprints: &'a Fingerprints,
    ) -> Result<Vec<Planned<'a>>> {
        self.check()?;
        let mut planned = Vec::with_capacity(self.seeds.len() * self.trials.len());
        for (at, &seed) in self.seeds.iter().enumerate() {
            if self.seeds[..at].contains(&seed) {
                continue;
            }
            for trial in &self.trials {
                let settings = settings(
                    &trial.spec,
                    &trial.config,
                    trial.images,
                    (self.train_fraction, seed),
                    &fingerprints.train,
                )?;
                let without_key = without_key(&trial.spec, &trial.config);
                planned.push(Planned {
                    trial,
                    seed,
                    key: match without_key {
                        None => Key::new(&trial.name, seed, &settings),
                        Some(_) => Key::passing(&trial.name, seed, &settings),
                    },
                    settings,
                    split: Split::new(self.train_fraction, seed),
                    wanted: Wanted {
                        test: fingerprints
                            .test
                            .as_ref()
                            .map(|print| (&data.test, print.as_str())),
                        flip: trial.flip,
                        model: self.keep_models,
                    },
                    without_key,
                });
            }
        }
        Ok(planned)
    }

    fn check(&self) -> Result<()> {
        for (at, trial) in self.trials.iter().enumerate() {
            if self.trials[..at]
                .iter()
                .any(|other| other.name == trial.name)
            {
                return Err(Error::Invalid(format!(
                    "two trials of the sweep are called {:?}: give each a name of its own",
                    trial.name
                )));
            }
            if let Some(csv) = &trial.config.csv {
                return Err(Error::Invalid(format!(
                    "trial {:?}: all its runs would write their history to the same file, {}. Leave \
                     `csv` out of its configuration: the results hold each run's history, and \
                     `run.history.save_csv` writes one",
                    trial.name,
                    csv.display()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::super::store::Store;
    use super::*;
    use crate::model::{one_layer, three_layer, two_layer};

    /// Those of notebooks 04, 08, 09 and 10, which would otherwise train for hours. No data are
    /// needed for it, as their digest is known.
    #[test]
    fn the_results_that_come_with_the_notebooks_are_found() {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebooks/results");
        let empty = || Dataset::new(Vec::new(), Vec::new()).unwrap();
        let data = TrainTest {
            train: empty(),
            test: empty(),
        };
        let fingerprints = Fingerprints {
            train: "16d82e2b505296aa2b78bd5ea0992634f30419a4c97def7c907d154a35ac6157".to_owned(),
            test: None,
        };
        let report = FitConfig::default();
        let sweep = Sweep::new(results.join("depth"))
            .seeds(1..=5)
            .trial(Trial::of(one_layer(), report.clone()))
            .trial(Trial::of(two_layer(), report.clone()))
            .trial(Trial::of(three_layer(), report));
        let store = Store::open(&results.join("depth")).unwrap();
        let planned = sweep.plan(&data, &fingerprints).unwrap();
        assert_eq!(planned.len(), 15);
        for planned in planned {
            let (_, record) = store.find(&planned.key).unwrap().unwrap();
            assert_eq!(record.history.epochs.len(), 50);
            assert!(record.measured.unwrap().test.is_some());
        }
        // All of them are of the present form.
        for folder in std::fs::read_dir(results).unwrap() {
            Store::open(&folder.unwrap().path()).unwrap();
        }
    }
}
