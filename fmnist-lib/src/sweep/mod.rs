//! Many runs, to compare settings over several seeds.

mod brackets;
mod convert;
mod halving;
mod hyperparameters;
mod key;
mod kind;
mod lock;
mod origin;
mod planned;
mod progress;
mod record;
mod results;
mod run;
mod search;
mod search_figures;
mod search_results;
mod settings;
mod settle;
mod stage;
mod store;
mod sweep_run;
mod trial;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

pub use brackets::Search;
pub use convert::{Conversion, convert_results};
pub use hyperparameters::{HyperParameters, random_search};
pub use origin::Origin;
pub(crate) use progress::Shows;
pub use results::SweepResults;
pub use search_results::{SearchResults, SearchTrial};
pub use sweep_run::SweepRun;
pub use trial::Trial;

use crate::data::{Split, TrainTest};
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;
use kind::Kind;
use planned::Planned;
use progress::SweepProgress;
use store::Store;

/// Between two looks at what other processes have finished.
const PATIENCE: Duration = Duration::from_millis(500);

/// Trains each [`Trial`] once for every seed, and keeps the results in a folder.
///
/// The seed decides the split into training and validation images, the initial weights and all that
/// is random in training. A run whose result lies in the folder is not repeated, and one that was
/// interrupted goes on where it was: with the next batch after Ctrl-C, Stop or SIGTERM (which then ends the process, with
/// status 143), after its last whole epoch where the process was killed. Several processes, on several machines if they
/// share the folder, divide the runs among themselves: start the same program as often as you like,
/// and each returns all results. The run of a process that has died is taken over, at once on its own machine, and on
/// another one after a minute. Users of one group share a folder that is the group's (`chmod g+ws`).
///
/// # Which result counts
/// Each result is one JSON file. It holds the settings of its run, written out completely, and is
/// found by them: network, training configuration, seed, images (by their digest) and split. Another
/// setting is another run, a default that a later version changes included. The following are no
/// settings:
///
/// - Names of trials and networks. A trial that gets another name is not trained again.
/// - What is measured on the trained network. [`test`](Self::test) and
///   [`Trial::test_time_flip`] measure a network that was kept; one that was not is trained again, which
///   the sweep says, and the new result takes the place of the old one.
/// - Machine, instruction set, number of threads, and the version of this library. The file and
///   [`SweepRun::origin`] name them, the table shows them, and a CSV has them as columns. Results of
///   other machines may differ in the last digits. When the notes of a new version say that it trains
///   otherwise than the one before, delete the results that you want to have anew.
///
/// A layer, a loss or an optimizer of your own is known by its `key` ([`Layer::key`](crate::Layer::key)). Where that is
/// nothing, its runs are trained each time, and each process trains all of them.
///
/// A result that an early version 0.1.0 has written says less. A sweep refuses a folder with such
/// results until [`convert_results`] has converted them.
///
/// Where there are many settings, [`search`](Self::search) stops the bad ones early.
///
/// ```no_run
/// use fmnist_lib::*;
///
/// let data = FashionMnist::load()?;
/// let short = FitConfig::default().epochs(5);
/// let results = Sweep::new("results/batch-size")
///     .seeds(1..=3)
///     .trial(Trial::new("32", two_layer(), short.clone().batch_size(32)))
///     .trial(Trial::new("512", two_layer(), short.batch_size(512)))
///     .run(&data)?;
/// println!("{results}"); // mean ± standard deviation of each trial
/// results.save_csv("batch-size.csv")?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a setting gives back the changed value"]
pub struct Sweep {
    folder: PathBuf,
    seeds: Vec<u64>,
    trials: Vec<Trial>,
    train_fraction: f64,
    test: bool,
    keep_models: bool,
}

impl Sweep {
    /// No trials yet; results go to `folder`, which is created where it is missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            seeds: vec![42],
            trials: Vec::new(),
            train_fraction: 0.8,
            test: false,
            keep_models: false,
        }
    }

    /// Runs each trial once for each of `seeds`; a seed that is given twice counts once. Default: 42
    /// alone.
    pub fn seeds(self, seeds: impl IntoIterator<Item = u64>) -> Self {
        Self {
            seeds: seeds.into_iter().collect(),
            ..self
        }
    }

    /// Adds a setting to try.
    pub fn trial(mut self, trial: Trial) -> Self {
        self.trials.push(trial);
        self
    }

    /// Adds settings to try, as those of [`random_search`].
    pub fn trials(mut self, trials: impl IntoIterator<Item = Trial>) -> Self {
        self.trials.extend(trials);
        self
    }

    /// Trains on this part of the 60,000 images and validates on the rest. Default 0.8.
    pub fn train_fraction(self, train_fraction: f64) -> Self {
        Self {
            train_fraction,
            ..self
        }
    }

    /// Measures the trained networks on the test images as well: for a comparison that decides
    /// nothing any more. A finished run whose network was not kept is trained again for it.
    pub fn test(self) -> Self {
        Self { test: true, ..self }
    }

    /// Keeps the trained models beside the results, under the same name (safetensors):
    /// [`SweepRun::load_model`] and [`SearchResults::best_model`] load them. A finished run whose model was not kept is trained again for it,
    /// unless it diverged.
    pub fn keep_models(self) -> Self {
        Self {
            keep_models: true,
            ..self
        }
    }

    /// Runs what is missing, waits for what other processes are running, and returns all results.
    /// A run that diverges is a result too.
    ///
    /// # Errors
    /// [`Error::Interrupted`] on Ctrl-C or a notebook's Stop: nothing is lost, and calling it again
    /// goes on. [`Error::Invalid`] when there are no trials, two of them have the same name, or one
    /// writes a CSV, which all its runs would share; [`Error::Io`] when the folder cannot be used; [`Error::Data`] when a
    /// result in it is damaged, or of the form of an early version; [`Error::Checkpoint`] when there
    /// is a file in the place of a run's checkpoint that is none; otherwise as for
    /// [`fit`](crate::fit).
    pub fn run(&self, data: &TrainTest) -> Result<SweepResults> {
        let stop = Interruptible::begin();
        let fingerprints = self.fingerprints(data);
        let planned = self.plan(data, &fingerprints)?;
        self.check_trials(data)?;
        let mut store = Store::open(&self.folder)?;
        let mut found: Vec<Option<Vec<SweepRun>>> = vec![None; planned.len()];
        let epochs = planned.iter().map(Planned::epochs).sum();
        let mut progress = SweepProgress::new(&planned, (planned.len(), Kind::Run), epochs);
        let mut done = SweepResults::default();
        // What lies there comes first, so that one can say how much it is.
        for (planned, found) in planned.iter().zip(&mut found) {
            if let Some(record) = planned.look(planned.whole(), &store, &mut progress)? {
                let runs = planned.runs(&record);
                done.extend(&runs);
                *found = Some(runs);
            }
            if stop.requested() {
                return Err(Error::Interrupted);
            }
        }
        progress.tell_found(&self.folder);
        loop {
            let mut elsewhere = 0;
            for (planned, found) in planned.iter().zip(&mut found) {
                if found.is_some() {
                    continue;
                }
                match planned.settle(planned.whole(), data, &mut store, &mut progress)? {
                    None => elsewhere += 1,
                    Some((record, is_new)) => {
                        let runs = planned.runs(&record);
                        done.extend(&runs);
                        if is_new {
                            progress.finished(planned, &runs, Some(&done));
                        }
                        *found = Some(runs);
                    }
                }
                if stop.requested() {
                    return Err(Error::Interrupted);
                }
            }
            if elsewhere == 0 {
                break;
            }
            progress.waiting(elsewhere);
            sleep(PATIENCE);
            if stop.requested() {
                return Err(Error::Interrupted);
            }
        }
        let mut results = SweepResults::default();
        found.iter().flatten().for_each(|runs| results.extend(runs));
        progress.conclude(&results);
        Ok(results)
    }

    fn check_trials(&self, data: &TrainTest) -> Result<()> {
        let (train, validation) = Split::new(self.train_fraction, 0).apply(&data.train)?;
        let mut trials = self.trials.iter();
        trials.try_for_each(|trial| trial.check(&train, &validation))
    }
}
