//! What came out of a search.

use std::fmt;

use super::progress::Shows;
use super::sweep_run::{SweepRun, origins};
use super::trial::Trial;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::support::table::{Table, counted, distinct, escape, mean, mean_and_deviation};

/// A trial of a [`Sweep::search`](crate::Sweep::search), and how far it went.
#[derive(Clone, Debug)]
pub struct SearchTrial {
    /// The network and how it is trained. As a trial of a [`Sweep`](crate::Sweep) with more seeds, the best one is
    /// measured anew.
    pub trial: Trial,
    /// One for each seed, with the history as far as the search trained it. One that was stopped has no `validation`: its
    /// last epoch was measured.
    pub runs: Vec<SweepRun>,
    /// The epochs after which it was stopped, or all.
    pub epochs: usize,
    /// Whether others were better, so that it was not trained to the end.
    pub stopped: bool,
}

impl SearchTrial {
    /// Validation accuracy, 0 to 1, at the end or where it was stopped: the mean over the seeds. NaN where a run diverged.
    pub fn accuracy(&self) -> f64 {
        mean(&self.accuracies())
    }

    /// The validation loss, as [`accuracy`](Self::accuracy).
    pub fn loss(&self) -> f64 {
        mean(&self.losses())
    }

    /// The trained network of its best seed, the one with the highest validation accuracy.
    ///
    /// # Errors
    /// As for [`SweepRun::load_model`].
    pub fn best_model(&self) -> Result<Model> {
        let scores = self.accuracies().into_iter().zip(self.losses());
        let best = self.runs.iter().zip(scores).min_by(|(_, one), (_, other)| {
            // `min_by` takes the first of equals.
            (other.0.total_cmp(&one.0)).then(one.1.total_cmp(&other.1))
        });
        match best {
            Some((run, _)) => run.load_model(),
            None => Err(Error::Invalid(format!(
                "trial {:?} has no runs",
                self.trial.name()
            ))),
        }
    }

    fn accuracies(&self) -> Vec<f64> {
        self.each(|run| {
            let last = || run.history.last()?.val_accuracy;
            (run.validation.as_ref().map(|found| found.accuracy)).or_else(last)
        })
    }

    fn losses(&self) -> Vec<f64> {
        self.each(|run| {
            let last = || run.history.last()?.val_loss;
            (run.validation.as_ref().map(|found| found.loss)).or_else(last)
        })
    }

    /// Accuracies on the test images, where they were measured.
    fn tests(&self) -> Vec<f64> {
        self.each(|run| Some(run.test.as_ref()?.accuracy))
    }

    fn each(&self, measure: impl Fn(&SweepRun) -> Option<f32>) -> Vec<f64> {
        let measure = |run: &SweepRun| match run.diverged {
            Some(_) => f64::NAN,
            None => measure(run).map_or(f64::NAN, f64::from),
        };
        self.runs.iter().map(measure).collect()
    }

    pub(super) fn diverged(&self) -> bool {
        !self.accuracy().is_finite()
    }

    pub(super) fn fate(&self) -> String {
        match (self.diverged(), self.stopped) {
            (true, _) => "diverged".to_owned(),
            (false, true) => format!("stopped after {}", counted(self.epochs, "epoch")),
            (false, false) => "trained to the end".to_owned(),
        }
    }
}

/// The trials of a [`Sweep::search`](crate::Sweep::search), the best first; its `Display` is a table of them.
///
/// Those that were trained longer come before the others; of those that were trained equally long, the one with the
/// higher validation accuracy is better; those that diverged come last.
#[derive(Clone, Debug, Default)]
pub struct SearchResults {
    trials: Vec<SearchTrial>,
}

impl SearchResults {
    pub(super) fn new(mut trials: Vec<SearchTrial>) -> Self {
        trials.sort_by(|one, other| {
            (one.diverged().cmp(&other.diverged()))
                .then(other.epochs.cmp(&one.epochs))
                .then(other.accuracy().total_cmp(&one.accuracy()))
                .then(one.loss().total_cmp(&other.loss()))
        });
        Self { trials }
    }

    /// All trials, the best first.
    pub fn trials(&self) -> &[SearchTrial] {
        &self.trials
    }

    /// The best trial; `None` where all diverged.
    pub fn best(&self) -> Option<&SearchTrial> {
        self.trials.first().filter(|trial| !trial.diverged())
    }

    /// The trained network of the best trial, of its best seed: Keras Tuner's `get_best_models()[0]`.
    ///
    /// ```no_run
    /// # use fmnist_lib::*;
    /// # fn candidate(hp: &mut HyperParameters) -> Result<Trial> {
    /// #     let rate = hp.log_uniform("learning rate", 1e-4, 1e-1)?;
    /// #     Ok(Trial::of(one_layer(), FitConfig::default().learning_rate(rate)))
    /// # }
    /// # let data = FashionMnist::load()?;
    /// let results = Sweep::new("results/search")
    ///     .trials(random_search(27, 42, candidate)?)
    ///     .keep_models()
    ///     .search(&data, Search::SuccessiveHalving { factor: 3 })?;
    /// println!("{}", evaluate(&results.best_model()?, &data.test)?);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] when the models were not kept ([`Sweep::keep_models`](crate::Sweep::keep_models)), or all trials
    /// diverged; otherwise as for [`Model::load`].
    pub fn best_model(&self) -> Result<Model> {
        let diverged = || Error::Invalid("all trials diverged: there is no best model".into());
        self.best().ok_or_else(diverged)?.best_model()
    }

    /// Epochs of all runs together.
    pub fn epochs(&self) -> usize {
        let runs = self.trials.iter().flat_map(|trial| &trial.runs);
        runs.map(|run| run.history.epochs.len()).sum()
    }

    /// Epochs of all runs, if each were trained to the end: what [`Sweep::run`](crate::Sweep::run) takes.
    pub fn epochs_of_all(&self) -> usize {
        let all = |found: &SearchTrial| found.runs.len() * found.trial.config.epochs;
        self.trials.iter().map(all).sum()
    }

    /// Names of all that was drawn for the trials.
    pub(super) fn settings(&self) -> Vec<&str> {
        let settings = self.trials.iter().flat_map(|found| found.trial.settings());
        distinct(settings.map(|(name, _)| name.as_str()))
    }

    fn table(&self) -> Table {
        let settings = self.settings();
        let is_named = |found: &SearchTrial| found.trial.settings().is_empty();
        let named = self.trials.iter().any(is_named);
        let tested =
            (self.trials.iter()).any(|found| found.runs.iter().any(|run| run.test.is_some()));
        let mut header = vec![""];
        header.extend(named.then_some("trial"));
        header.extend(&settings);
        header.extend(["epochs", "val loss", "val accuracy"]);
        header.extend(tested.then_some("test accuracy"));
        header.push("status");
        let row = |(at, found): (usize, &SearchTrial)| {
            let figures = |values: Vec<f64>| {
                let finite = values.into_iter().filter(|value| value.is_finite());
                mean_and_deviation(finite.collect(), 4)
            };
            let mut row = vec![(at + 1).to_string()];
            row.extend(named.then(|| found.trial.name().to_owned()));
            row.extend(
                settings
                    .iter()
                    .map(|name| found.trial.setting(name).unwrap_or("–").to_owned()),
            );
            row.push(found.epochs.to_string());
            row.extend([figures(found.losses()), figures(found.accuracies())]);
            row.extend(tested.then(|| figures(found.tests())));
            row.push(match found.fate() {
                fate if found.diverged() || !found.stopped => fate,
                _ => "stopped".to_owned(),
            });
            row
        };
        let header = header.into_iter().map(str::to_owned).collect();
        Table::of(header, self.trials.iter().enumerate().map(row).collect())
    }

    fn origins(&self) -> String {
        origins(self.trials.iter().flat_map(|trial| &trial.runs))
    }

    /// `120 epochs; to train all 27 trials to the end takes 729.`
    fn spent(&self) -> String {
        format!(
            "{}; to train {} to the end takes {}.",
            counted(self.epochs(), "epoch"),
            match self.trials.len() {
                1 => "the trial".to_owned(),
                trials => format!("all {trials} trials"),
            },
            self.epochs_of_all()
        )
    }
}

impl Shows for SearchResults {
    fn to_html(&self) -> String {
        let table = self.table().map(escape).to_html();
        let origins = escape(&self.origins()).replace('\n', "<br>");
        format!("{table}<p><small>{}<br>{origins}</small></p>", self.spent())
    }
}

impl fmt::Display for SearchResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.table(), self.spent(), self.origins())
    }
}
