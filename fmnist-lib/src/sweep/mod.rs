//! Many runs, to compare settings over several seeds.

mod progress;
mod results;
mod store;
mod trial;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

pub use results::{SweepResults, SweepRun};
pub use trial::Trial;

use crate::interrupt::Interruptible;
use crate::{Error, FashionMnist, Result};
use progress::SweepProgress;
use results::Measured;
use store::{Claim, Store};

/// Between two looks at what other processes have finished.
const PATIENCE: Duration = Duration::from_millis(500);

/// Trains each [`Trial`] once for every seed, and keeps the results in a folder.
///
/// The seed decides the split into training and validation images, the initial weights and all that
/// is random in training. A run whose result lies in the folder is not repeated, one that was
/// interrupted goes on after its last whole epoch, and another setting is another run. Several
/// processes, on several machines if they share the folder, divide the runs among themselves: start
/// the same program as often as you like, and each returns all results.
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

    /// Runs each trial once for each of `seeds`. Default: 42 alone.
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

    /// Trains on this part of the 60,000 images and validates on the rest. Default 0.8.
    pub fn train_fraction(self, train_fraction: f64) -> Self {
        Self {
            train_fraction,
            ..self
        }
    }

    /// Measures the trained networks on the test images as well: for a comparison that decides
    /// nothing any more.
    pub fn test(self) -> Self {
        Self { test: true, ..self }
    }

    /// Keeps the trained models (safetensors, for [`Model::load`](crate::Model::load)) beside the
    /// results.
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
    /// goes on. [`Error::Io`] when the folder cannot be used; [`Error::Data`] when a result in it is
    /// damaged; otherwise as for [`fit`](crate::fit).
    pub fn run(&self, data: &FashionMnist) -> Result<SweepResults> {
        let stop = Interruptible::begin();
        let store = Store::open(&self.folder)?;
        let planned = self.plan(data)?;
        let mut results: Vec<Option<Measured>> = vec![None; planned.len()];
        let mut progress = SweepProgress::new(&planned);
        loop {
            let mut elsewhere = 0;
            for (planned, result) in planned.iter().zip(&mut results) {
                if result.is_some() {
                    continue;
                }
                match store.claim(&planned.key)? {
                    Claim::Done(measured) => {
                        progress.found(planned, &measured);
                        *result = Some(*measured);
                    }
                    Claim::Taken => elsewhere += 1,
                    // The lock is held until the result is written.
                    Claim::Ours(_lock) => {
                        let checkpoint = store.checkpoint(&planned.key);
                        let measured =
                            planned.train(data, &checkpoint, self.keep_models, &mut progress)?;
                        store.save(&planned.key, &measured, self.keep_models)?;
                        progress.finished(&measured);
                        *result = Some(measured);
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
        let results = SweepResults::new(results.into_iter().flatten());
        progress.conclude(&results);
        Ok(results)
    }
}
