//! A search: bad trials are stopped early, good ones go on.

use std::path::Path;
use std::thread::sleep;

use super::brackets::{Rung, Search};
use super::halving::{Bracket, Contender, stage};
use super::kind::Kind;
use super::planned::Planned;
use super::progress::SweepProgress;
use super::record::Record;
use super::search_results::SearchResults;
use super::stage::Stage;
use super::store::Store;
use super::{PATIENCE, Sweep};
use crate::data::TrainTest;
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;

/// What a process works with.
struct Workplace<'a> {
    data: &'a TrainTest,
    store: Store,
    progress: SweepProgress,
    stop: Interruptible,
}

impl Sweep {
    /// Trains the trials, such as those of [`random_search`](crate::random_search), as far as `search` says, each with
    /// every seed. Which go on is decided as soon as all runs of the rung are there: by the validation accuracy after its
    /// last epoch, or by the loss where that is the same, each the mean over the seeds. A trial that diverged does not
    /// go on.
    ///
    /// Each run is one training of all `epochs` of its configuration, which is paused and goes on from its checkpoint.
    /// Those that are trained to the end are the runs of [`run`](Self::run), bit for bit, and either finds the results of
    /// the other. A schedule that looks at the length of the run, as [`Schedule::Cosine`](crate::Schedule::Cosine)
    /// does, looks at all of it: trials are then compared while their rates are still high, and those of the last rung
    /// alone have come down. All trials have the same number of epochs, unless all are trained to the end.
    ///
    /// As in `run`, the results lie in the folder, any number of processes share the work, and an interrupted search
    /// goes on where it was. The checkpoint of a trial that does not go on is removed. Where a changed search wants such
    /// a trial after all, it is trained from the start.
    ///
    /// # Errors
    /// As for `run`; [`Error::Invalid`] for a factor below 2, another number of trials than Hyperband takes, trials with
    /// different numbers of epochs, and code of one's own without a key, whose checkpoints cannot be found again.
    pub fn search(&self, data: &TrainTest, search: Search) -> Result<SearchResults> {
        let stop = Interruptible::begin();
        let fingerprints = self.fingerprints(data);
        let planned = self.plan(data, &fingerprints)?;
        self.check_trials(data)?;
        self.check_search(search, &planned)?;
        let rungs = search.brackets(self.trials.len(), self.epochs())?;
        let seeds = planned.len() / self.trials.len().max(1);
        let all = rungs.iter().flatten().map(|rung| rung.trials);
        let parts = seeds * all.sum::<usize>();
        let kind = match rungs.iter().all(|rungs| rungs.len() == 1) {
            true => Kind::Run,
            false => Kind::Part,
        };
        let epochs = rungs.iter().map(|rungs| -> usize {
            let trained = (0..rungs.len()).map(|at| rungs[at].trials * stage(rungs, at).epochs());
            trained.sum()
        });
        let epochs = seeds * epochs.sum::<usize>();
        let place = Workplace {
            data,
            store: Store::open(&self.folder)?,
            progress: SweepProgress::new(&planned, (parts, kind), epochs),
            stop,
        };
        place.work(self.deal(planned, rungs), &self.folder)
    }

    /// The most epochs of a trial.
    fn epochs(&self) -> usize {
        let epochs = self.trials.iter().map(|trial| trial.config.epochs);
        epochs.max().unwrap_or(0)
    }

    fn check_search(&self, search: Search, planned: &[Planned<'_>]) -> Result<()> {
        if search == Search::Full {
            return Ok(());
        }
        if let Some((own, name)) =
            (planned.iter()).find_map(|one| Some((one.without_key.as_ref()?, &one.trial.name)))
        {
            return Err(Error::Invalid(format!(
                "trial {name:?}: {own} is your own and has no key, so that nobody can say whether a checkpoint is of its \
                 present code. Give it a key (fn key), or search by Search::Full"
            )));
        }
        let epochs = self.epochs();
        match self
            .trials
            .iter()
            .find(|trial| trial.config.epochs != epochs)
        {
            None => Ok(()),
            Some(other) => Err(Error::Invalid(format!(
                "trial {:?} has {} epochs, and another one {epochs}: a search that stops trials early compares them after \
                 the same number of epochs, so give all the same",
                other.name, other.config.epochs
            ))),
        }
    }

    /// Deals the trials to the halvings, in their order.
    fn deal<'a>(&'a self, planned: Vec<Planned<'a>>, rungs: Vec<Vec<Rung>>) -> Vec<Bracket<'a>> {
        let contender = |trial| Contender {
            trial,
            runs: Vec::new(),
            rung: 0,
        };
        let mut contenders: Vec<_> = self.trials.iter().map(contender).collect();
        let count = contenders.len().max(1);
        for (at, planned) in planned.into_iter().enumerate() {
            contenders[at % count].runs.push((planned, None));
        }
        let mut contenders = contenders.into_iter();
        let bracket = |rungs: Vec<Rung>| Bracket {
            contenders: contenders.by_ref().take(rungs[0].trials).collect(),
            rungs,
            rung: 0,
        };
        rungs.into_iter().map(bracket).collect()
    }
}

/// A way to get the result of a run after a stage; nothing where it is missing.
type Get = fn(&mut Workplace<'_>, &Planned<'_>, Stage) -> Result<Option<Record>>;

impl Workplace<'_> {
    /// Trains what nobody else trains, in one halving and then in the next, until all are done.
    fn work(mut self, mut brackets: Vec<Bracket<'_>>, folder: &Path) -> Result<SearchResults> {
        // As far as results lie there, so that one can say how many they are.
        for bracket in &mut brackets {
            self.climb(bracket, |place, run, stage| place.look(run, stage))?;
        }
        self.progress.tell_found(folder);
        loop {
            let mut elsewhere = 0;
            for bracket in &mut brackets {
                elsewhere += self.climb(bracket, |place, run, stage| place.settle(run, stage))?;
            }
            if elsewhere == 0 {
                break;
            }
            self.progress.waiting(elsewhere);
            sleep(PATIENCE);
            if self.stop.requested() {
                return Err(Error::Interrupted);
            }
        }
        let trials = brackets.iter().flat_map(Bracket::trials);
        let results = SearchResults::new(trials.collect());
        self.progress.conclude(&results);
        Ok(results)
    }

    /// Goes on until runs are missing, of other processes where `get` trains what nobody else trains, or the last rung is
    /// done; returns how many are missing.
    fn climb(&mut self, bracket: &mut Bracket<'_>, get: Get) -> Result<usize> {
        while bracket.rung < bracket.rungs.len() {
            let elsewhere = self.fill_rung(bracket, get)?;
            if elsewhere > 0 {
                return Ok(elsewhere);
            }
            bracket.promote(&mut self.store)?;
        }
        Ok(0)
    }

    fn look(&mut self, planned: &Planned<'_>, stage: Stage) -> Result<Option<Record>> {
        planned.look(stage, &self.store, &mut self.progress)
    }

    fn settle(&mut self, planned: &Planned<'_>, stage: Stage) -> Result<Option<Record>> {
        let (store, progress) = (&mut self.store, &mut self.progress);
        let settled = planned.settle(stage, self.data, store, progress)?;
        Ok(settled.map(|(record, is_new)| {
            if is_new {
                self.progress
                    .finished(planned, &planned.runs(&record), None);
            }
            record
        }))
    }

    fn fill_rung(&mut self, bracket: &mut Bracket<'_>, get: Get) -> Result<usize> {
        let (rung, rungs) = (bracket.rung, &bracket.rungs);
        let mut elsewhere = 0;
        let climbing = bracket.contenders.iter_mut().filter(|one| one.rung == rung);
        for (planned, found) in climbing.flat_map(|contender| &mut contender.runs) {
            if found.is_some() {
                continue;
            }
            // Trials of a full search may have different numbers of epochs.
            let stage = Stage {
                to: rungs[rung].epochs.min(planned.epochs()),
                ..stage(rungs, rung)
            };
            *found = get(self, planned, stage)?;
            elsewhere += usize::from(found.is_none());
            if self.stop.requested() {
                return Err(Error::Interrupted);
            }
        }
        Ok(elsewhere)
    }
}
