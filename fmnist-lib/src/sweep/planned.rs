//! The runs that a sweep plans of its trials.

use serde_json::Value;

use super::Sweep;
use super::key::Key;
use super::record::Wanted;
use super::settings::{fingerprint, settings, without_key};
use super::trial::Trial;
use crate::config::Verbose;
use crate::data::{Split, TrainTest};
use crate::error::{Error, Result};

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
        if self.trials.is_empty() || self.seeds.is_empty() {
            let what = if self.trials.is_empty() {
                "trials"
            } else {
                "seeds"
            };
            return Err(Error::Invalid(format!(
                "the sweep has no {what}, so that there is nothing to train: give it some by `{what}`"
            )));
        }
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
    use crate::config::FitConfig;
    use crate::data::Dataset;
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
