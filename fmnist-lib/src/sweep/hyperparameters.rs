//! Trials whose settings are drawn at random.

use std::fmt::Display;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::trial::Trial;
use crate::error::{Error, Result};
use crate::support::seed::{Purpose, generator};
use crate::support::table::counted;

/// Draws for one trial before a search gives up finding one that is not there yet.
const ATTEMPTS: usize = 10_000;

/// Draws the settings of one trial; see [`random_search`].
///
/// Numbers have four significant digits, so that the name of a trial says exactly what was tried: written into a
/// program by hand, they give the same run. A draw depends on the seed, the number of the trial and the name of the
/// setting alone: a further setting changes none of the others.
#[derive(Debug)]
pub struct HyperParameters {
    seed: u64,
    trial: usize,
    attempt: usize,
    /// Names and values.
    drawn: Vec<(String, String)>,
}

impl HyperParameters {
    /// A number between `low` and `high` whose logarithm is distributed evenly, as a learning rate's should be:
    /// `hp.Float(sampling="log")` of Keras Tuner, `suggest_float(log=True)` of Optuna.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 < `low` < `high`, both finite, or when the trial has a setting of that name.
    pub fn log_uniform(&mut self, name: &str, low: f64, high: f64) -> Result<f64> {
        if !(low > 0.0 && low < high && high.is_finite()) {
            return Err(refusal(
                name,
                &format!(
                    "log_uniform draws between two positive numbers, the lower one first, not {low} and {high}"
                ),
            ));
        }
        let drawn = self.random(name)?.random_range(low.ln()..high.ln()).exp();
        let value = read(&format!("{drawn:.3e}"), drawn).clamp(low, high);
        self.note(name, spelled(value));
        Ok(value)
    }

    /// A number between `low` and `high`, distributed evenly: `hp.Float` of Keras Tuner, `suggest_float` of Optuna.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `low` < `high`, both finite, or when the trial has a setting of that name.
    pub fn uniform(&mut self, name: &str, low: f64, high: f64) -> Result<f64> {
        if !(low < high && (high - low).is_finite()) {
            return Err(refusal(
                name,
                &format!(
                    "uniform draws between two finite numbers, the lower one first, not {low} and {high}"
                ),
            ));
        }
        let drawn = self.random(name)?.random_range(low..high);
        let digits = (3.0 - (high - low).log10().floor()).clamp(0.0, 300.0) as usize;
        let value = read(&format!("{drawn:.digits$}"), drawn).clamp(low, high);
        self.note(name, spelled(value));
        Ok(value)
    }

    /// A whole number from `low` to `high`, both included: `hp.Int` of Keras Tuner, `suggest_int` of Optuna.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `low` > `high`, or the trial has a setting of that name.
    pub fn integer(&mut self, name: &str, low: usize, high: usize) -> Result<usize> {
        if low > high {
            return Err(refusal(
                name,
                &format!(
                    "integer draws from the lower number to the higher one, not from {low} to {high}"
                ),
            ));
        }
        let value = self.random(name)?.random_range(low..=high);
        self.note(name, value.to_string());
        Ok(value)
    }

    /// One of `options`, each as likely as any other: `hp.Choice` of Keras Tuner, `suggest_categorical` of Optuna.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are no options, or the trial has a setting of that name.
    pub fn choice<T: Display>(
        &mut self,
        name: &str,
        options: impl IntoIterator<Item = T>,
    ) -> Result<T> {
        let mut options: Vec<T> = options.into_iter().collect();
        let chosen = options.swap_remove(self.position(name, options.len())?);
        self.note(name, chosen.to_string());
        Ok(chosen)
    }

    fn position(&self, name: &str, options: usize) -> Result<usize> {
        match options {
            0 => Err(refusal(name, "there are no options to choose from")),
            _ => Ok(self.random(name)?.random_range(0..options)),
        }
    }

    fn random(&self, name: &str) -> Result<ChaCha8Rng> {
        if self.drawn.iter().any(|(other, _)| other == name) {
            return Err(refusal(
                name,
                "it was drawn already: give each a name of its own",
            ));
        }
        let purpose = Purpose::Setting {
            name,
            trial: self.trial,
            attempt: self.attempt,
        };
        Ok(generator(self.seed, purpose))
    }

    fn note(&mut self, name: &str, value: String) {
        self.drawn.push((name.to_owned(), value));
    }
}

/// So many different trials, drawn at random by `candidate` (Bergstra & Bengio, 2012), for
/// [`Sweep::trials`](crate::Sweep::trials). Each is named after its settings: `learning rate 0.00312, batch size 64`.
///
/// The same seed gives the same trials, and more trials begin with the same ones.
///
/// ```no_run
/// use fmnist_lib::*;
///
/// fn candidate(hp: &mut HyperParameters) -> Result<Trial> {
///     let config = FitConfig::default()
///         .epochs(27)
///         .learning_rate(hp.log_uniform("learning rate", 1e-4, 1e-1)?)
///         .batch_size(hp.choice("batch size", [64, 128, 256, 512])?);
///     let network = match hp.choice("network", ["1_Layer", "2_Layer"])? {
///         "1_Layer" => one_layer(),
///         _ => two_layer(),
///     };
///     Ok(Trial::of(network, config))
/// }
///
/// let data = FashionMnist::load()?;
/// let results = Sweep::new("results/search")
///     .trials(random_search(27, 42, candidate)?)
///     .search(&data, Search::SuccessiveHalving { factor: 3 })?;
/// println!("{results}"); // the best first, and the epochs that were spent
/// results.curves().save("trials.png")?;
/// results.against("learning rate")?.save("learning-rate.png")?;
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// What `candidate` returns; [`Error::Invalid`] when it draws nothing, or does not have so many different settings.
pub fn random_search(
    trials: usize,
    seed: u64,
    mut candidate: impl FnMut(&mut HyperParameters) -> Result<Trial>,
) -> Result<Vec<Trial>> {
    draw(trials, seed, &mut candidate)
}

fn draw(
    trials: usize,
    seed: u64,
    candidate: &mut dyn FnMut(&mut HyperParameters) -> Result<Trial>,
) -> Result<Vec<Trial>> {
    let mut drawn: Vec<Trial> = Vec::new();
    for number in 0..trials {
        let attempts = 0..ATTEMPTS;
        let mut attempts = attempts.map(|attempt| draw_one((seed, number, attempt), candidate));
        let is_new = |trial: &Result<Trial>| match trial {
            Ok(trial) => drawn.iter().all(|other| other.name != trial.name),
            Err(_) => true,
        };
        let Some(trial) = attempts.find(is_new) else {
            return Err(Error::Invalid(format!(
                "no more than {} with different settings could be drawn, not {trials}: ask for fewer, or give the \
                 settings more values",
                counted(drawn.len(), "trial")
            )));
        };
        drawn.push(trial?);
    }
    Ok(drawn)
}

fn draw_one(
    (seed, trial, attempt): (u64, usize, usize),
    candidate: &mut dyn FnMut(&mut HyperParameters) -> Result<Trial>,
) -> Result<Trial> {
    let mut settings = HyperParameters {
        seed,
        trial,
        attempt,
        drawn: Vec::new(),
    };
    let trial = candidate(&mut settings)?;
    if settings.drawn.is_empty() {
        return Err(Error::Invalid(
            "the candidate draws no setting, so that all trials would be the same".into(),
        ));
    }
    Ok(trial.with_settings(settings.drawn))
}

/// The number that `text` tells of `value`.
fn read(text: &str, value: f64) -> f64 {
    text.parse().unwrap_or(value)
}

/// All digits that there are, and no long row of zeros.
fn spelled(value: f64) -> String {
    match value.abs() {
        1e-4..1e6 | 0.0 => value.to_string(),
        _ => format!("{value:e}"),
    }
}

fn refusal(name: &str, problem: &str) -> Error {
    Error::Invalid(format!("setting {name:?}: {problem}"))
}
