use serde::{Deserialize, Serialize};

use super::rule::{for_each, for_each_2, part, positive};
use super::{Optimizer, Update};
use crate::error::Result;

/// RMSprop (Hinton, 2012; `keras.optimizers.RMSprop`): the gradient over the root of a moving mean of its
/// square; with momentum as [`Sgd`](super::Sgd) has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct RmsProp {
    rho: f64,
    momentum: f64,
    epsilon: f64,
}

impl RmsProp {
    /// Keras's: rho 0.9, no momentum, epsilon 1e-7. Keras's learning rate is 0.001.
    pub fn new() -> Self {
        Self {
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
        }
    }

    /// Keeps this part, 0 to 1, of the mean square. PyTorch's `alpha`, there 0.99.
    pub fn rho(self, rho: f64) -> Self {
        Self { rho, ..self }
    }

    /// Keeps this part of the velocity in each step, 0 to 1.
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }
}

impl Default for RmsProp {
    fn default() -> Self {
        Self::new()
    }
}

impl Optimizer for RmsProp {
    fn state(&self) -> &[&'static str] {
        match self.momentum == 0.0 {
            true => &["rmsprop.square"],
            false => &["rmsprop.square", "rmsprop.velocity"],
        }
    }

    fn check(&self) -> Result<()> {
        part("the rho of RmsProp", self.rho)?;
        part("the momentum of RmsProp", self.momentum)?;
        positive("the epsilon of RmsProp", self.epsilon)
    }

    fn step(&self, update: Update<'_>) {
        let (rate, momentum) = (update.learning_rate as f32, self.momentum as f32);
        let (rho, new, epsilon) = (
            self.rho as f32,
            (1.0 - self.rho) as f32,
            self.epsilon as f32,
        );
        let move_by = move |g: f32, v: &mut f32| {
            *v = rho * *v + new * g * g;
            rate * g / (*v + epsilon).sqrt()
        };
        match update.state {
            [square] => for_each(update.weights, update.gradient, square, |w, g, v| {
                *w -= move_by(g, v)
            }),
            [square, velocity, ..] => {
                for_each_2(
                    update.weights,
                    update.gradient,
                    square,
                    velocity,
                    |w, g, v, m| {
                        *m = momentum * *m + move_by(g, v);
                        *w -= *m;
                    },
                );
            }
            [] => unreachable!("state() names one or two"),
        }
    }
}
