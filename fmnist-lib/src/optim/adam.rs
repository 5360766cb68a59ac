use fmnist_kernels::{AdamOperands, AdamSettings, Isa, adam_step};
use serde::{Deserialize, Serialize};

use super::rule::{part, positive};
use super::{Optimizer, Update};
use crate::error::Result;

/// Adam (Kingma & Ba, 2015; `keras.optimizers.Adam`), with the paper's "epsilon hat". With
/// [`FitConfig::weight_decay`](crate::FitConfig::weight_decay) it is Keras's `AdamW`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Adam {
    /// Keras's: beta1 0.9, beta2 0.999, epsilon 1e-7. Keras's learning rate is 0.001.
    pub fn new() -> Self {
        let AdamSettings {
            beta1,
            beta2,
            epsilon,
            ..
        } = AdamSettings::default();
        Self {
            beta1,
            beta2,
            epsilon,
        }
    }

    /// Keeps these parts, 0 to 1, of the means of the gradient and of its square.
    pub fn betas(self, beta1: f64, beta2: f64) -> Self {
        Self {
            beta1,
            beta2,
            ..self
        }
    }

    /// Adds `epsilon` to the root of the mean square. PyTorch's is 1e-8.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Adam {
    fn state(&self) -> &[&'static str] {
        &["adam.mean", "adam.square"]
    }

    fn check(&self) -> Result<()> {
        part("beta1 of Adam", self.beta1)?;
        part("beta2 of Adam", self.beta2)?;
        positive("the epsilon of Adam", self.epsilon)
    }

    fn step(&self, update: Update<'_>) {
        let settings = AdamSettings {
            learning_rate: update.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
        };
        let [mean, square] = update.state else {
            unreachable!("state() names two");
        };
        let operands = AdamOperands {
            parameter: update.weights,
            mean,
            square,
            gradient: update.gradient,
        };
        adam_step(Isa::best(), &settings, update.step as u64, operands);
    }
}
