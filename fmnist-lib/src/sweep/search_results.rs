//! What came out of a search.

use std::fmt;

use super::progress::Shows;
use super::results::SweepRun;
use super::trial::Trial;
use crate::error::{Error, Result};
use crate::history::History;
use crate::plot::{Against, Figure, of_search};
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

    fn diverged(&self) -> bool {
        !self.accuracy().is_finite()
    }

    fn fate(&self) -> String {
        match (self.diverged(), self.stopped) {
            (true, _) => "diverged".to_owned(),
            (false, true) => format!("stopped after {}", counted(self.epochs, "epoch")),
            (false, false) => "trained to the end".to_owned(),
        }
    }
}

/// A setting that is a number.
fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
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

    /// A figure of validation accuracy against the epoch: [`plot::trials`](crate::plot::trials).
    pub fn curves(&self) -> Figure {
        of_search(Against::Epoch, self.groups(|_| Some(0.0)))
    }

    /// A figure of validation accuracy against a setting: [`plot::trials_against`](crate::plot::trials_against). Where
    /// some trials have words for it, as `"relu"` and `"tanh"`, each word has a place of its own.
    ///
    /// # Errors
    /// [`Error::Invalid`] when no trial has a setting of this name: it lists those that there are.
    pub fn against(&self, setting: &str) -> Result<Figure> {
        let values = self
            .trials
            .iter()
            .filter_map(|it| it.trial.setting(setting));
        let mut values = distinct(values);
        if values.is_empty() {
            return Err(self.unknown(setting));
        }
        if values.iter().all(|value| number(value).is_some()) {
            let groups = self.groups(|trial| number(trial.setting(setting)?));
            return Ok(of_search(Against::Number(setting.to_owned()), groups));
        }
        values.sort_unstable();
        let groups = self.groups(|trial| {
            let value = trial.setting(setting)?;
            let place = values.iter().position(|other| *other == value)?;
            Some(place as f64)
        });
        let words = values.iter().copied().map(str::to_owned).collect();
        let against = Against::Word(setting.to_owned(), words);
        Ok(of_search(against, groups))
    }

    fn unknown(&self, setting: &str) -> Error {
        let all: Vec<String> = (self.settings().iter())
            .map(|name| format!("{name:?}"))
            .collect();
        Error::Invalid(match all.is_empty() {
            true => format!(
                "there is no setting {setting:?}: these trials have none, as they were not drawn by random_search"
            ),
            false => format!(
                "there is no setting {setting:?}: the trials have {}",
                all.join(", ")
            ),
        })
    }

    /// Names of all that was drawn for the trials.
    fn settings(&self) -> Vec<&str> {
        let settings = self.trials.iter().flat_map(|found| found.trial.settings());
        distinct(settings.map(|(name, _)| name.as_str()))
    }

    /// All runs but those that diverged, with what `look` finds of their trial, by how far they went, the shortest
    /// first; each group is told by its fate and its number of trials.
    fn groups(&self, look: impl Fn(&Trial) -> Option<f64>) -> Vec<(String, Vec<(f64, &History)>)> {
        let mut groups: Vec<(String, usize, Vec<(f64, &History)>)> = Vec::new();
        for found in self.trials.iter().rev().filter(|trial| !trial.diverged()) {
            let Some(x) = look(&found.trial) else {
                continue;
            };
            let runs = found.runs.iter().map(|run| (x, &run.history));
            match groups.last_mut() {
                Some((fate, trials, group)) if *fate == found.fate() => {
                    *trials += 1;
                    group.extend(runs);
                }
                _ => groups.push((found.fate(), 1, runs.collect())),
            }
        }
        let told = |(fate, trials, runs)| (format!("{fate} ({})", counted(trials, "trial")), runs);
        groups.into_iter().map(told).collect()
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
        header.push("");
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
        format!("{table}<p><small>{}</small></p>", self.spent())
    }
}

impl fmt::Display for SearchResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.table(), self.spent())
    }
}
