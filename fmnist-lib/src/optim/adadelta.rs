use serde::{Deserialize, Serialize};

use super::rule::{for_each_2, part, positive};
use super::{Optimizer, Update};
use crate::error::Result;

/// Adadelta (Zeiler, 2012; `keras.optimizers.Adadelta`): steps of the size of earlier steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Adadelta {
    rho: f64,
    epsilon: f64,
}

impl Adadelta {
    /// Keras's: rho 0.95, epsilon 1e-7. Keras's learning rate is 0.001, that of the paper and of PyTorch
    /// 1.
    pub fn new() -> Self {
        Self {
            rho: 0.95,
            epsilon: 1e-7,
        }
    }

    /// Keeps this part, 0 to 1, of the mean squares.
    pub fn rho(self, rho: f64) -> Self {
        Self { rho, ..self }
    }

    /// Adds `epsilon` to the mean squares. PyTorch's is 1e-6.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }
}

impl Default for Adadelta {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Adadelta {
    fn state(&self) -> &[&'static str] {
        &["adadelta.square", "adadelta.step"]
    }

    fn check(&self) -> Result<()> {
        part("the rho of Adadelta", self.rho)?;
        positive("the epsilon of Adadelta", self.epsilon)
    }

    fn step(&self, update: Update<'_>) {
        let rate = update.learning_rate as f32;
        let (rho, new, epsilon) = (
            self.rho as f32,
            (1.0 - self.rho) as f32,
            self.epsilon as f32,
        );
        let [square, steps] = update.state else {
            unreachable!("state() names two");
        };
        for_each_2(
            update.weights,
            update.gradient,
            square,
            steps,
            |w, g, v, d| {
                *v = rho * *v + new * g * g;
                let step = ((*d + epsilon) / (*v + epsilon)).sqrt() * g;
                *d = rho * *d + new * step * step;
                *w -= rate * step;
            },
        );
    }
}
