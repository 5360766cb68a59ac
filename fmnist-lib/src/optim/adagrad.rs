use serde::{Deserialize, Serialize};

use super::rule::{for_each, positive};
use super::{Optimizer, Update};
use crate::error::{Error, Result};

/// Adagrad (Duchi et al., 2011; `keras.optimizers.Adagrad`): the gradient over the root of the sum of its
/// squares so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Adagrad {
    initial: f64,
    epsilon: f64,
}

impl Adagrad {
    /// Keras's: the sum starts at 0.1, epsilon 1e-7. Keras's learning rate is 0.001, that of the paper
    /// and of PyTorch 0.01.
    pub fn new() -> Self {
        Self {
            initial: 0.1,
            epsilon: 1e-7,
        }
    }

    /// Starts the sum of squares here, 0 or more.
    pub fn initial_accumulator_value(self, initial: f64) -> Self {
        Self { initial, ..self }
    }
}

impl Default for Adagrad {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Adagrad {
    fn state(&self) -> &[&'static str] {
        &["adagrad.squares"]
    }

    fn check(&self) -> Result<()> {
        positive("the epsilon of Adagrad", self.epsilon)?;
        match self.initial.is_finite() && self.initial >= 0.0 {
            true => Ok(()),
            false => Err(Error::Invalid(format!(
                "the sum of squares of Adagrad starts at 0 or more, not at {}",
                self.initial
            ))),
        }
    }

    fn step(&self, update: Update<'_>) {
        let rate = update.learning_rate as f32;
        let more = (self.initial + self.epsilon) as f32;
        for_each(
            update.weights,
            update.gradient,
            &mut update.state[0],
            |w, g, sum| {
                *sum += g * g;
                *w -= rate * g / (*sum + more).sqrt();
            },
        );
    }
}
