use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rule::{PIECE, for_each, part};
use super::{Optimizer, Update};
use crate::error::Result;

/// Stochastic gradient descent (`keras.optimizers.SGD`): `w -= rate * g`; with momentum,
/// `v = momentum * v - rate * g` and `w += v`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Sgd {
    momentum: f64,
    nesterov: bool,
}

impl Sgd {
    /// Without momentum. Keras's learning rate is 0.01.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps this part of the velocity in each step, 0 to 1 (0.9 is usual).
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Looks ahead along the velocity (Sutskever et al., 2013): `w += momentum * v - rate * g`.
    pub fn nesterov(self) -> Self {
        Self {
            nesterov: true,
            ..self
        }
    }
}

impl Optimizer for Sgd {
    fn state(&self) -> &[&'static str] {
        match self.momentum == 0.0 {
            true => &[],
            false => &["sgd.velocity"],
        }
    }

    fn check(&self) -> Result<()> {
        part("the momentum of Sgd", self.momentum)
    }

    fn step(&self, update: Update<'_>) {
        let (rate, momentum) = (update.learning_rate as f32, self.momentum as f32);
        let Update {
            weights,
            gradient,
            state,
            ..
        } = update;
        let Some(velocity) = state.first_mut() else {
            let pieces = weights
                .par_chunks_mut(PIECE)
                .zip(gradient.par_chunks(PIECE));
            return pieces.for_each(|(w, g)| w.iter_mut().zip(g).for_each(|(w, g)| *w -= rate * g));
        };
        for_each(weights, gradient, velocity, |w, g, v| {
            *v = momentum * *v - rate * g;
            *w += if self.nesterov {
                momentum * *v - rate * g
            } else {
                *v
            };
        });
    }
}
