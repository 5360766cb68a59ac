//! A successive halving under way: its trials, and who goes on.

use super::brackets::Rung;
use super::planned::Planned;
use super::record::Record;
use super::search_results::SearchTrial;
use super::stage::Stage;
use super::store::Store;
use super::trial::Trial;
use crate::error::Result;
use crate::history::EpochRecord;
use crate::support::table::mean;

/// A trial in a halving.
pub(super) struct Contender<'a> {
    pub(super) trial: &'a Trial,
    /// One run for each seed, and how far it is.
    pub(super) runs: Vec<(Planned<'a>, Option<Record>)>,
    /// The last rung that it was in.
    pub(super) rung: usize,
}

/// A successive halving that is under way.
pub(super) struct Bracket<'a> {
    pub(super) rungs: Vec<Rung>,
    /// The rung that is being trained.
    pub(super) rung: usize,
    pub(super) contenders: Vec<Contender<'a>>,
}

/// What of a run is trained at a rung.
pub(super) fn stage(rungs: &[Rung], at: usize) -> Stage {
    let before = at.checked_sub(1).map(|before| rungs[before].epochs);
    Stage {
        from: before.unwrap_or(0),
        to: rungs[at].epochs,
    }
}

impl Bracket<'_> {
    /// Decides, all results of the rung being there, who goes on. All processes decide alike.
    pub(super) fn promote(&mut self, store: &mut Store) -> Result<()> {
        let rung = self.rung;
        self.rung += 1;
        let Some(next) = self.rungs.get(self.rung) else {
            return Ok(());
        };
        let mut climbing: Vec<_> = (self.contenders.iter_mut())
            .filter(|contender| contender.rung == rung)
            .collect();
        climbing.sort_by(|one, other| {
            let (one, other) = (one.score(), other.score());
            // The sort is stable: of equals, the first trial goes on.
            (other.0.total_cmp(&one.0)).then(one.1.total_cmp(&other.1))
        });
        for (place, contender) in climbing.into_iter().enumerate() {
            if place < next.trials && contender.score().0.is_finite() {
                contender.rung = self.rung;
                contender
                    .runs
                    .iter_mut()
                    .for_each(|(_, found)| *found = None);
            } else {
                let mut runs = contender.runs.iter();
                runs.try_for_each(|(planned, _)| planned.forget(store))?;
            }
        }
        Ok(())
    }

    /// How far each trial went.
    pub(super) fn trials(&self) -> impl Iterator<Item = SearchTrial> {
        self.contenders.iter().map(|contender| {
            let runs = contender.runs.iter().filter_map(|(planned, record)| {
                let runs = planned.runs(record.as_ref()?);
                runs.into_iter().next()
            });
            let trial = contender.trial;
            SearchTrial {
                trial: trial.clone(),
                runs: runs.collect(),
                epochs: self.rungs[contender.rung].epochs.min(trial.config.epochs),
                stopped: contender.rung + 1 < self.rungs.len(),
            }
        })
    }
}

impl Contender<'_> {
    /// Accuracy and loss on the validation images, means over the seeds; infinitely bad where a run diverged.
    fn score(&self) -> (f64, f64) {
        let records = self.runs.iter().filter_map(|(_, record)| record.as_ref());
        let scores = records.map(|record| {
            let last = record.history.last().filter(|_| record.diverged.is_none());
            let measured =
                |of: fn(&EpochRecord) -> Option<f32>| last.and_then(of).map_or(f64::NAN, f64::from);
            (
                measured(|last| last.val_accuracy),
                measured(|last| last.val_loss),
            )
        });
        let (accuracies, losses): (Vec<f64>, Vec<f64>) = scores.unzip();
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        (
            finite(mean(&accuracies)).unwrap_or(f64::NEG_INFINITY),
            finite(mean(&losses)).unwrap_or(f64::INFINITY),
        )
    }
}
