//! What came out of a search.

use std::fmt;

use super::progress::Shows;
use super::results::SweepRun;
use super::trial::Trial;
use crate::plot::{self, Figure};
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

    /// What was drawn for `setting`, where that is a number.
    fn number(&self, setting: &str) -> Option<f64> {
        self.trial.setting(setting)?.parse().ok()
    }

    fn fate(&self) -> String {
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

    /// A figure of validation accuracy against the epoch: [`plot::trials`].
    pub fn curves(&self) -> Figure {
        let groups = self.groups(|_, run| Some(&run.history));
        let groups: Vec<_> = groups
            .iter()
            .map(|(name, runs)| (name.as_str(), &runs[..]))
            .collect();
        plot::trials(&groups)
    }

    /// A figure of validation accuracy against a setting that is a number: [`plot::trials_against`].
    pub fn against(&self, setting: &str) -> Figure {
        let groups = self.groups(|trial, run| Some((trial.number(setting)?, &run.history)));
        let groups: Vec<_> = groups
            .iter()
            .map(|(name, runs)| (name.as_str(), &runs[..]))
            .collect();
        plot::trials_against(setting, &groups)
    }

    /// What `look` finds of all runs but those that diverged, by how far they went, the shortest first.
    fn groups<'a, T>(
        &'a self,
        look: impl Fn(&'a SearchTrial, &'a SweepRun) -> Option<T>,
    ) -> Vec<(String, Vec<T>)> {
        let mut groups: Vec<(String, Vec<T>)> = Vec::new();
        let trials = self.trials.iter().rev().filter(|trial| !trial.diverged());
        for trial in trials {
            let found = trial.runs.iter().filter_map(|run| look(trial, run));
            match groups.last_mut() {
                Some((fate, group)) if *fate == trial.fate() => group.extend(found),
                _ => groups.push((trial.fate(), found.collect())),
            }
        }
        groups
    }

    fn table(&self) -> Table {
        let settings = self.trials.iter().flat_map(|found| found.trial.settings());
        let settings = distinct(settings.map(|(name, _)| name.as_str()));
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
