//! Figures of a search.

use super::search_results::SearchResults;
use super::trial::Trial;
use crate::error::{Error, Result};
use crate::history::History;
use crate::plot::{Against, Figure, of_search};
use crate::support::table::{counted, distinct};

/// A fate, the number of trials that had it, and their runs behind the place of a setting.
type Group<'a> = (String, usize, Vec<(f64, &'a History)>);

impl SearchResults {
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
            .trials()
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

    /// All runs but those that diverged, with what `look` finds of their trial, by how far they went, the shortest
    /// first; each group is told by its fate and its number of trials.
    fn groups(&self, look: impl Fn(&Trial) -> Option<f64>) -> Vec<(String, Vec<(f64, &History)>)> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for found in self.trials().iter().rev().filter(|trial| !trial.diverged()) {
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
}

/// A setting that is a number.
fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}
