//! How weights move along their gradients.

mod adadelta;
mod adagrad;
mod adam;
mod gradients;
mod nadam;
mod rms_prop;
mod rule;
mod sgd;

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{Device, Var};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use gradients::Clip;
pub(crate) use gradients::{add_l2, to_host};
pub use nadam::Nadam;
pub use rms_prop::RmsProp;
pub use sgd::Sgd;

use crate::error::Result;
use crate::nn::{f32_slice_mut, on_cpu_in_f32};
use crate::support::stored::Missing;

/// A rule by which weights move along their gradients (`keras.optimizers`). Implement it to add your own.
pub trait Optimizer: Debug + Send + Sync {
    /// What it keeps of each weight from step to step, value by value, all 0 at first. Checkpoints hold
    /// these under the names. None by default.
    fn state(&self) -> &[&'static str] {
        &[]
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// By default never.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Moves one weight.
    fn step(&self, update: Update<'_>);

    /// The name of what it does, by which a [`Sweep`](crate::Sweep) finds the results of earlier runs;
    /// see [`Layer::key`](crate::Layer::key).
    fn key(&self) -> Option<String> {
        None
    }
}

/// One step of one weight.
#[derive(Debug)]
pub struct Update<'a> {
    /// The number of the step, counted from 1 over all runs.
    pub step: usize,
    /// As the schedule has it for this step.
    pub learning_rate: f64,
    /// The values of the weight.
    pub weights: &'a mut [f32],
    /// For each value, the derivative of the loss.
    pub gradient: &'a [f32],
    /// For each name of [`Optimizer::state`], a number for each value.
    pub state: &'a mut [Vec<f32>],
}

/// Any of the optimisers of this crate, or one of your own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnyOptimizer {
    /// [`Sgd`]
    Sgd(Sgd),
    /// [`Adam`]
    Adam(Adam),
    /// [`Nadam`]
    Nadam(Nadam),
    /// [`RmsProp`]
    RmsProp(RmsProp),
    /// [`Adagrad`]
    Adagrad(Adagrad),
    /// [`Adadelta`]
    Adadelta(Adadelta),
    /// One defined outside this crate. A checkpoint holds its [key](Optimizer::key), not its code.
    #[serde(serialize_with = "write_key", deserialize_with = "without_code")]
    Custom(Arc<dyn Optimizer>),
}

macro_rules! any_optimizer {
    ($($rule:ident),+) => {
        $(impl From<$rule> for AnyOptimizer {
            fn from(rule: $rule) -> Self {
                Self::$rule(rule)
            }
        })+

        impl AnyOptimizer {
            /// Whether its code is the user's own.
            pub(crate) fn is_own(&self) -> bool {
                matches!(self, Self::Custom(_))
            }

            /// The optimiser behind the name.
            pub fn as_optimizer(&self) -> &dyn Optimizer {
                match self {
                    $(Self::$rule(rule) => rule,)+
                    Self::Custom(rule) => rule.as_ref(),
                }
            }
        }

        /// One of the user's own is only equal to itself.
        impl PartialEq for AnyOptimizer {
            fn eq(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$rule(one), Self::$rule(other)) => one == other,)+
                    (Self::Custom(one), Self::Custom(other)) => Arc::ptr_eq(one, other),
                    _ => false,
                }
            }
        }
    };
}

any_optimizer!(Sgd, Adam, Nadam, RmsProp, Adagrad, Adadelta);

impl Default for AnyOptimizer {
    fn default() -> Self {
        Adam::new().into()
    }
}

fn write_key<S: Serializer>(own: &Arc<dyn Optimizer>, to: S) -> Result<S::Ok, S::Error> {
    own.key().serialize(to)
}

fn without_code<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<dyn Optimizer>, D::Error> {
    Ok(Arc::new(Missing::deserialize(from)?))
}

/// No step is made with it: [`check`](Optimizer::check) comes first.
impl Optimizer for Missing {
    fn check(&self) -> Result<()> {
        Err(self.refused("an optimizer"))
    }

    fn step(&self, _: Update<'_>) {}

    fn key(&self) -> Option<String> {
        self.key.clone()
    }
}

/// What an optimiser keeps of a network.
#[derive(Clone, Debug, Default)]
pub(crate) struct OptimizerState {
    /// Steps taken so far.
    pub(crate) steps: usize,
    /// What [`Optimizer::state`] names.
    pub(crate) names: Vec<String>,
    /// For each weight, what there is under each name; empty before the first step.
    pub(crate) of_weights: Vec<Vec<Vec<f32>>>,
}

impl OptimizerState {
    /// Begins anew where the state is that of another rule.
    pub(crate) fn prepare<'a>(
        &mut self,
        rule: &dyn Optimizer,
        weights: impl Iterator<Item = &'a Var>,
    ) {
        let names: Vec<String> = rule.state().iter().map(|name| (*name).to_owned()).collect();
        if self.names != names || self.of_weights.is_empty() {
            let zeros = |weight: &Var| vec![vec![0.0; weight.elem_count()]; names.len()];
            *self = Self {
                steps: 0,
                of_weights: weights.map(zeros).collect(),
                names,
            };
        }
    }

    /// One step down the gradients, after kernels have shrunk by `decay` times the rate (Loshchilov &
    /// Hutter, 2019). A weight without a gradient stays as it is.
    pub(crate) fn step<'a>(
        &mut self,
        rule: &dyn Optimizer,
        weights: impl Iterator<Item = &'a Var>,
        gradients: &[Option<Vec<f32>>],
        learning_rate: f64,
        decay: f64,
    ) -> Result<()> {
        self.steps += 1;
        for ((weight, gradient), state) in weights.zip(gradients).zip(&mut self.of_weights) {
            let Some(gradient) = gradient else { continue };
            // A bias, or a scale, sets a level: its size is no sign of a complex network.
            let kept = if weight.rank() > 1 {
                1.0 - learning_rate * decay
            } else {
                1.0
            } as f32;
            let update = |values: &mut [f32]| {
                if kept != 1.0 {
                    values.iter_mut().for_each(|value| *value *= kept);
                }
                rule.step(Update {
                    step: self.steps,
                    learning_rate,
                    weights: values,
                    gradient,
                    state,
                });
            };
            change(weight, update)?;
        }
        Ok(())
    }
}

/// Changes the values of a weight, wherever it is.
fn change(weight: &Var, update: impl FnOnce(&mut [f32])) -> Result<()> {
    if on_cpu_in_f32(&[weight]) {
        return Ok(f32_slice_mut(weight, update)?);
    }
    let here = weight.to_device(&Device::Cpu)?.copy()?;
    f32_slice_mut(&here, update)?;
    Ok(weight.set(&here.to_device(weight.device())?)?)
}
