use serde::{Deserialize, Serialize};

use super::rule::{for_each_2, part, positive};
use super::{Optimizer, Update};
use crate::error::Result;

/// Adam with Nesterov's momentum (Dozat, 2016; `keras.optimizers.Nadam`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Nadam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

impl Nadam {
    /// Keras's: beta1 0.9, beta2 0.999, epsilon 1e-7. Keras's learning rate is 0.001.
    pub fn new() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
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

    /// How much of the mean gradient is kept in a step.
    fn kept(&self, step: usize) -> f64 {
        self.beta1 * (1.0 - 0.5 * 0.96_f64.powf(step as f64))
    }
}

impl Default for Nadam {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for Nadam {
    fn state(&self) -> &[&'static str] {
        &["nadam.mean", "nadam.square"]
    }

    fn check(&self) -> Result<()> {
        part("beta1 of Nadam", self.beta1)?;
        part("beta2 of Nadam", self.beta2)?;
        positive("the epsilon of Nadam", self.epsilon)
    }

    fn step(&self, update: Update<'_>) {
        let (step, rate) = (update.step, update.learning_rate);
        // A product of a thousand such numbers is 0 for f32.
        let product: f64 = (1..=step.min(1000)).map(|step| self.kept(step)).product();
        let (now, next) = (self.kept(step), self.kept(step + 1));
        let of_mean = (rate * next / (1.0 - product * next)) as f32;
        let of_gradient = (rate * (1.0 - now) / (1.0 - product)) as f32;
        let of_square = (1.0 / (1.0 - self.beta2.powf(step as f64))) as f32;
        let (rate1, rate2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let epsilon = self.epsilon as f32;
        let [mean, square] = update.state else {
            unreachable!("state() names two");
        };
        for_each_2(
            update.weights,
            update.gradient,
            mean,
            square,
            |w, g, m, v| {
                *m += rate1 * (g - *m);
                *v += rate2 * (g * g - *v);
                *w -= (of_mean * *m + of_gradient * g) / ((*v * of_square).sqrt() + epsilon);
            },
        );
    }
}
