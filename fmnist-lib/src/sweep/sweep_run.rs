//! One run of a sweep: what came out of it, and its network.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::origin::Origin;
use crate::error::{Error, Result};
use crate::evaluate::Evaluation;
use crate::history::History;
use crate::model::Model;
use crate::support::table::{counted, distinct};

/// One trained and measured network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepRun {
    /// Name of the trial.
    pub trial: String,
    /// The seed it was run with.
    pub seed: u64,
    /// Values of all its network's weights.
    pub parameters: usize,
    /// Its training.
    pub history: History,
    /// Its trained network on the validation images; `None` where training diverged, or a search has stopped it.
    pub validation: Option<Evaluation>,
    /// The same on the test images, where they were asked for.
    pub test: Option<Evaluation>,
    /// Where and how training diverged.
    pub diverged: Option<String>,
    /// On which machine, by which version of this library, and when.
    #[serde(default)]
    pub origin: Origin,
    /// Where its trained network lies, if the sweep keeps them ([`Sweep::keep_models`](crate::Sweep::keep_models)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
}

impl SweepRun {
    /// Its trained network, which the sweep has kept beside the result.
    ///
    /// ```no_run
    /// # use fmnist_lib::*;
    /// # let data = FashionMnist::load()?;
    /// let results = Sweep::new("results/depth")
    ///     .trial(Trial::of(two_layer(), FitConfig::default()))
    ///     .keep_models()
    ///     .run(&data)?;
    /// for run in results.runs() {
    ///     println!("{}, seed {}: {}", run.trial, run.seed, evaluate(&run.load_model()?, &data.test)?);
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] when it was not kept, as it is without [`keep_models`](crate::Sweep::keep_models), where
    /// training diverged, and where a search has stopped the run; otherwise as for [`Model::load`].
    pub fn load_model(&self) -> Result<Model> {
        if let Some(path) = &self.model {
            return Model::load(path);
        }
        let why = match (&self.diverged, &self.validation) {
            (Some(diverged), _) => format!("its training diverged: {diverged}"),
            (None, None) => "a search keeps the networks that it trains to the end, and has stopped this run".to_owned(),
            (None, Some(_)) => "add keep_models() to the sweep, and run it once more: it trains again what was not kept".to_owned(),
        };
        Err(Error::Invalid(format!(
            "{}, seed {}: there is no model to load; {why}",
            self.trial, self.seed
        )))
    }
}

/// Where runs come from: `15 runs by fmnist-lib 0.1.0, AMD EPYC…`, one line for each machine and version.
pub(super) fn origins<'a>(runs: impl IntoIterator<Item = &'a SweepRun>) -> String {
    let origins: Vec<String> = (runs.into_iter())
        .map(|run| run.origin.to_string())
        .collect();
    let distinct = distinct(origins.iter().map(String::as_str)).into_iter();
    let lines = distinct.map(|origin| {
        let count = origins.iter().filter(|other| *other == origin).count();
        format!("{} by {origin}", counted(count, "run"))
    });
    lines.collect::<Vec<_>>().join("\n")
}
