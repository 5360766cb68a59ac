//! Networks: their description, their weights, their answers.

mod block;
mod checkpoint;
mod file;
mod freeze;
mod gradients;
mod log;
mod place;
mod profile;
mod report;
mod score_gradients;
mod shards;
mod spec;
mod summary;
mod up_to;

use std::fmt;

use candle_core::{Device, Tensor, Var};
use fmnist_kernels::Isa;

pub use block::Block;
pub(crate) use block::{Branches, NamedLayer, Part};
pub(crate) use gradients::Gradients;
pub(crate) use log::{Log, RunPlan};
pub use profile::{Profile, ProfileRow};
pub use report::{one_layer, three_layer, two_layer};
pub(crate) use score_gradients::ScoreGradients;
pub use spec::ModelSpec;
pub(crate) use summary::thousands;
pub use summary::{Summary, SummaryRow};

use crate::error::{Error, Result};
use crate::history::History;
use crate::nn::{Step, Weight};
use crate::optim::OptimizerState;
use crate::plan::{Plan, Planned};
use crate::support::seed::{Purpose, generator};
use place::forward_by_layers;
pub(crate) use place::{MOST_LAYERS, Placed};

/// A network with weights, and what training has left behind: the state of the optimiser, the history, and where a
/// run that was stopped stands. A stopped or failed [`fit`](crate::fit) leaves all of it as it was after the last step.
///
/// Threads may share a model to evaluate it and to predict. Whoever trains it has it alone.
pub struct Model {
    spec: ModelSpec,
    device: Device,
    /// Of the last layer, for one image.
    output_shape: Vec<usize>,
    pub(crate) weights: Vec<NamedWeight>,
    /// On the CPU, where there is anything to compute.
    plan: Option<Plan>,
    pub(crate) optimizer: OptimizerState,
    pub(crate) log: Log,
}

pub(crate) struct NamedWeight {
    pub(crate) name: String,
    pub(crate) var: Var,
    /// Whether the optimiser changes it; the layer itself keeps it up to date otherwise.
    trainable: bool,
    /// Whether it stays as it is: neither the optimiser nor the layer changes it.
    frozen: bool,
}

impl NamedWeight {
    fn learns(&self) -> bool {
        self.trainable && !self.frozen
    }

    /// Whether its layer keeps it up to date.
    fn is_statistic(&self) -> bool {
        !self.trainable && !self.frozen
    }
}

impl ModelSpec {
    /// Gives the network its initial weights, drawn from `seed`, on the CPU.
    ///
    /// # Errors
    /// When a layer cannot take what the one before it gives, has a setting that cannot work, or is
    /// too large; the message names the layer. When there is no layer, or the
    /// [`scaling`](Self::scaling) cannot work. When the environment's variable `FMNIST_ISA` names an
    /// instruction set that this processor has not.
    pub fn build(&self, seed: u64) -> Result<Model> {
        self.build_on(seed, &Device::Cpu)
    }

    /// As [`build`](Self::build), on another device. The initial weights are the same.
    ///
    /// # Errors
    /// As for `build`, and when the device is out of memory.
    pub fn build_on(&self, seed: u64, device: &Device) -> Result<Model> {
        self.with_weights(device, |name, weight| {
            let mut random = generator(seed, Purpose::Initialise(&name));
            let values = weight.init.draw(&weight.shape, &mut random);
            Ok(NamedWeight {
                var: Var::from_vec(values, weight.shape, device)?,
                name,
                trainable: weight.trainable,
                frozen: false,
            })
        })
    }

    /// Makes each weight by its name.
    fn with_weights(
        &self,
        device: &Device,
        make: impl Fn(String, Weight) -> Result<NamedWeight>,
    ) -> Result<Model> {
        Isa::chosen().map_err(Error::Invalid)?;
        let placed = self.place()?;
        let (mut weights, mut frozen) = (Vec::new(), Vec::with_capacity(placed.len()));
        for layer in &placed {
            let named = |weight: &Weight| format!("{}.{}", layer.name, weight.name);
            let own = layer.weights.iter();
            let own = own.map(|weight| make(named(weight), weight.clone()));
            let own = own.collect::<Result<Vec<NamedWeight>>>()?;
            frozen.push(own.iter().any(|weight| weight.frozen));
            weights.extend(own);
        }
        let output_shape = placed.last().map(|last| last.output_shape.clone());
        Ok(Model {
            plan: plan_on(device, &self.input, &placed, &frozen),
            spec: self.clone(),
            device: device.clone(),
            output_shape: output_shape.unwrap_or_default(),
            weights,
            optimizer: OptimizerState::default(),
            log: Log::default(),
        })
    }
}

/// How the CPU computes a network, of which some layers are frozen.
fn plan_on(
    device: &Device,
    images: &[usize],
    placed: &[Placed<'_>],
    frozen: &[bool],
) -> Option<Plan> {
    let layers = placed.iter().zip(frozen);
    let planned: Vec<Planned<'_>> = layers
        .map(|(layer, &frozen)| layer.planned(frozen))
        .collect();
    Plan::new(images, &planned).filter(|_| device.is_cpu())
}

/// In a few words: a notebook shows a value by this, and the weights alone are a million numbers.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: usize = self.vars().map(|var| var.elem_count()).sum();
        f.debug_struct("Model")
            .field("name", &self.spec.name())
            .field("parameters", &parameters)
            .field("epochs", &self.log.history.epochs.len())
            .finish_non_exhaustive()
    }
}

impl Model {
    /// What the network is made of.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All epochs this model has been trained for.
    pub fn history(&self) -> History {
        self.log.history.clone()
    }

    /// Each weight by name (`Conv2D-1.kernel`…), in the order of the layers. The tensors share the
    /// model's memory, so that training changes them: copy one to keep its value.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let copy = |weight: &NamedWeight| (weight.name.clone(), weight.var.as_detached_tensor());
        self.weights.iter().map(copy).collect()
    }

    /// The scores (logits) of a batch: (batch, 28, 28, 1) in `f32`, scaled as the
    /// [`spec`](ModelSpec::input_scaling) says, to (batch, 10); for a network that ends otherwise,
    /// to (batch, output shape of its last layer). With a `step` the layers do as in training: it decides what dropout
    /// drops, and batch normalisation that is not frozen takes the mean of the batch. The model stays as it is.
    ///
    /// # Errors
    /// When the input has another shape or type.
    pub fn forward(&self, input: &Tensor, step: Option<Step>) -> Result<Tensor> {
        self.spec.check_input(input)?;
        if let Some(mut pass) = self.plan_pass(input) {
            return self.forward_planned(&mut pass, input, step);
        }
        if let Some(step) = step {
            return Ok(self.train_by_layers(input, step)?.0);
        }
        let detached = |weight: &NamedWeight| weight.var.as_detached_tensor();
        let weights: Vec<Tensor> = self.weights.iter().map(detached).collect();
        forward_by_layers(&self.spec.place()?, input, &weights, &[], None)
    }

    pub(crate) fn vars(&self) -> impl Iterator<Item = &Var> {
        vars(&self.weights)
    }

    /// Each layer, in the order in which they run, and its weights. They share the model's memory.
    pub(crate) fn layers(&self) -> Result<Vec<(Placed<'_>, Vec<Tensor>)>> {
        let mut weights = self.vars().map(|var| var.as_detached_tensor());
        let placed = self.spec.place()?.into_iter();
        let with_own = placed.map(|layer| {
            let own = weights.by_ref().take(layer.weights.len()).collect();
            (layer, own)
        });
        Ok(with_own.collect())
    }

    /// Copies of the weights that later training does not change.
    pub(crate) fn snapshot(&self) -> Result<Vec<Tensor>> {
        Ok(self
            .vars()
            .map(|var| var.copy())
            .collect::<candle_core::Result<_>>()?)
    }

    pub(crate) fn set_weights(&mut self, values: &[Tensor]) -> Result<()> {
        self.vars()
            .zip(values)
            .try_for_each(|(var, value)| var.set(value))?;
        Ok(())
    }
}

/// Apart from the model, whose other parts may change meanwhile.
pub(crate) fn vars(weights: &[NamedWeight]) -> impl Iterator<Item = &Var> {
    weights.iter().map(|weight| &weight.var)
}

#[cfg(test)]
mod tests;
