//! The file that a run leaves.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::origin::Origin;
use super::sweep_run::SweepRun;
use crate::data::Dataset;
use crate::error::Result;
use crate::evaluate::{Evaluation, Predictions, evaluate, predict};
use crate::history::History;
use crate::model::Model;

/// Raised when a file written by this version cannot be read by the one before.
pub(super) const FORMAT: u32 = 2;

/// One training and all that was measured on its network.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    /// Name of the trial that was run, for people.
    pub(super) trial: String,
    /// Its digest is what the file is found by.
    pub(super) settings: Value,
    pub(super) origin: Origin,
    pub(super) parameters: usize,
    pub(super) history: History,
    pub(super) diverged: Option<String>,
    /// `None` where training diverged.
    pub(super) measured: Option<Measures>,
    /// The same network, measured with flips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flipped: Option<Measures>,
    /// Where the network lies, if it was to be kept: not beside a result that is looked at from elsewhere.
    #[serde(skip)]
    pub(super) model: Option<PathBuf>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Measures {
    /// `None` where the loss is infinite: JSON has no infinity.
    pub(super) validation: Option<Evaluation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) test: Option<Test>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Test {
    /// Fingerprint of the test images.
    pub(super) data: String,
    /// `None` where the loss is infinite.
    pub(super) evaluation: Option<Evaluation>,
}

/// What a sweep wants to know of each network, besides its validation.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The test images and their fingerprint.
    pub(super) test: Option<(&'a Dataset, &'a str)>,
    pub(super) flip: bool,
    pub(super) model: bool,
}

impl Record {
    /// What of `wanted` nobody has measured yet, for people.
    pub(super) fn missing(&self, wanted: Wanted<'_>) -> Option<&'static str> {
        if self.diverged.is_some() {
            return None;
        }
        let tested = |measures: &Measures| {
            wanted.test.is_none_or(|(_, data)| {
                (measures.test.as_ref()).is_some_and(|test| test.data == data)
            })
        };
        if wanted.flip && self.flipped.is_none() {
            return Some("its accuracy with flips");
        }
        let mut all = self
            .measured
            .iter()
            .chain(self.flipped.iter().filter(|_| wanted.flip));
        (!all.all(tested)).then_some("its accuracy on the test images")
    }

    /// Measures on `model` what is `wanted` and not measured yet.
    pub(super) fn measure(
        &mut self,
        model: &Model,
        validation: &Dataset,
        wanted: Wanted<'_>,
    ) -> Result<()> {
        if self.diverged.is_some() {
            return Ok(());
        }
        let measured = self.measured.take();
        self.measured = Some(measure(model, evaluate, measured, validation, wanted)?);
        if wanted.flip {
            let flipped = self.flipped.take();
            self.flipped = Some(measure(
                model,
                evaluate_flipped,
                flipped,
                validation,
                wanted,
            )?);
        }
        Ok(())
    }

    /// The record as a sweep hands it out: under the name that its trial has now, with what is
    /// `wanted` and no more.
    pub(super) fn runs(&self, trial: &str, seed: u64, wanted: Wanted<'_>) -> Vec<SweepRun> {
        let run = |trial: String, measures: Option<&Measures>| SweepRun {
            trial,
            seed,
            parameters: self.parameters,
            history: self.history.clone(),
            validation: measures.and_then(|measures| measures.validation.clone()),
            test: measures
                .and_then(|measures| wanted.test.and(measures.test.as_ref()))
                .and_then(|test| test.evaluation.clone()),
            diverged: self.diverged.clone(),
            origin: self.origin.clone(),
            model: self.model.clone(),
        };
        let mut runs = vec![run(trial.to_owned(), self.measured.as_ref())];
        if wanted.flip {
            let name = format!("{trial} + test-time flip");
            runs.push(run(name, self.flipped.as_ref()));
        }
        runs
    }
}

/// Adds to `before` what is missing in it.
fn measure(
    model: &Model,
    how: fn(&Model, &Dataset) -> Result<Evaluation>,
    before: Option<Measures>,
    validation: &Dataset,
    wanted: Wanted<'_>,
) -> Result<Measures> {
    let look = |dataset: &Dataset| -> Result<Option<Evaluation>> {
        let found = Some(how(model, dataset)?);
        Ok(found.filter(|found| found.loss.is_finite()))
    };
    let mut measures = match before {
        Some(measures) => measures,
        None => Measures {
            validation: look(validation)?,
            test: None,
        },
    };
    if let Some((dataset, data)) = wanted.test
        && measures.test.as_ref().is_none_or(|test| test.data != data)
    {
        measures.test = Some(Test {
            data: data.to_owned(),
            evaluation: look(dataset)?,
        });
    }
    Ok(measures)
}

fn evaluate_flipped(model: &Model, dataset: &Dataset) -> Result<Evaluation> {
    let both = [
        predict(model, dataset)?,
        predict(model, &dataset.mirrored())?,
    ];
    Predictions::mean(&both)?.evaluate(dataset)
}
