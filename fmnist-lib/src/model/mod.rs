//! Networks: their description, their weights, their answers.

mod checkpoint;
mod fused;
mod gradients;
mod plan;
mod report;
mod spec;
mod summary;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Device, Tensor, Var};

pub(crate) use gradients::Gradients;
pub use report::{one_layer, three_layer, two_layer};
pub use spec::{AnyLayer, ModelSpec};
pub(crate) use summary::thousands;
pub use summary::{Summary, SummaryRow};

use crate::Result;
use crate::config::FitConfig;
use crate::history::History;
use crate::nn::{Pass, Step};
use crate::optim::Adam;
use crate::seed::{Purpose, generator};
use fused::Fused;

/// A network with weights. Training changes them in place through a shared reference, so a stopped
/// or failed [`fit`](crate::fit) leaves the model alive with all it has learned.
pub struct Model {
    spec: ModelSpec,
    device: Device,
    weights: Vec<NamedWeight>,
    /// On the CPU, where all layers have a kernel.
    fused: Option<Fused>,
    adam: Mutex<Adam>,
    log: Mutex<Log>,
}

pub(crate) struct NamedWeight {
    pub(crate) name: String,
    pub(crate) var: Var,
}

/// What training has left behind, besides weights and moments.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) history: History,
    /// The run in progress, or the last one.
    pub(crate) run: Option<RunPlan>,
    /// The weights of the best epoch so far, where early stopping wants them back.
    pub(crate) best: Option<Vec<Tensor>>,
    /// The moving average of the weights, where the run in progress keeps one.
    pub(crate) average: Option<Vec<Tensor>>,
}

/// What was asked of a run, so that a checkpoint can finish it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RunPlan {
    pub(crate) config: FitConfig,
    /// Epochs the model had seen before.
    pub(crate) epochs_before: usize,
}

impl ModelSpec {
    /// Gives the network its initial weights, drawn from `seed`, on the CPU.
    ///
    /// # Errors
    /// When a layer cannot take what the one before it gives; the message names the layer.
    pub fn build(&self, seed: u64) -> Result<Model> {
        self.build_on(seed, &Device::Cpu)
    }

    /// As [`build`](Self::build), on another device. The initial weights are the same.
    ///
    /// # Errors
    /// As for `build`, and when the device is out of memory.
    pub fn build_on(&self, seed: u64, device: &Device) -> Result<Model> {
        let placed = self.place()?;
        let stages = plan::stages(&self.input, &self.layers, &placed);
        let mut weights = Vec::new();
        for placed in placed {
            for weight in placed.weights {
                let name = format!("{}.{}", placed.name, weight.name);
                let mut random = generator(seed, Purpose::Initialise(&name));
                let values = weight.init.draw(&weight.shape, &mut random);
                let var = Var::from_vec(values, weight.shape, device)?;
                weights.push(NamedWeight { name, var });
            }
        }
        Ok(Model {
            spec: self.clone(),
            device: device.clone(),
            adam: Mutex::new(Adam::new(weights.iter().map(|weight| &weight.var))?),
            weights,
            fused: stages.filter(|_| device.is_cpu()).map(Fused::new),
            log: Mutex::default(),
        })
    }
}

/// In a few words: a notebook shows a value by this, and the weights alone are a million numbers.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: usize = self.vars().map(|var| var.elem_count()).sum();
        f.debug_struct("Model")
            .field("name", &self.spec.name())
            .field("parameters", &parameters)
            .field("epochs", &self.log().history.epochs.len())
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
        self.log().history.clone()
    }

    /// Each weight by name (`Conv2D-1.kernel`…), in the order of the layers. The tensors share the
    /// model's memory, so that training changes them: copy one to keep its value.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let copy = |weight: &NamedWeight| (weight.name.clone(), weight.var.as_detached_tensor());
        self.weights.iter().map(copy).collect()
    }

    /// The scores (logits) of a batch: (batch, 28, 28, 1), scaled as the
    /// [`spec`](ModelSpec::input_scaling) says, to (batch, 10). `step` is given while training, and
    /// decides what dropout drops.
    ///
    /// # Errors
    /// When the input has another shape.
    pub fn forward(&self, input: &Tensor, step: Option<Step>) -> Result<Tensor> {
        if let (Some(fused), None) = (&self.fused, step)
            && self.suits_fused(input)
        {
            return self.forward_fused(fused, input, step);
        }
        self.forward_by_layers(input, step)
    }

    fn forward_by_layers(&self, input: &Tensor, step: Option<Step>) -> Result<Tensor> {
        let mut weights = self.weights.iter().map(|weight| match step {
            Some(_) => weight.var.as_tensor().clone(),
            // Without a graph, each activation is freed as soon as the next one is there.
            None => weight.var.as_detached_tensor(),
        });
        let mut activation = input.clone();
        for placed in self.spec.place()? {
            let own: Vec<Tensor> = weights.by_ref().take(placed.weights.len()).collect();
            let pass = Pass::new(placed.name, step);
            activation = placed.layer.forward(&activation, &own, &pass)?;
        }
        Ok(activation)
    }

    pub(crate) fn named_weights(&self) -> &[NamedWeight] {
        &self.weights
    }

    pub(crate) fn vars(&self) -> impl Iterator<Item = &Var> {
        self.weights.iter().map(|weight| &weight.var)
    }

    /// Copies of the weights that later training does not change.
    pub(crate) fn snapshot(&self) -> Result<Vec<Tensor>> {
        Ok(self
            .vars()
            .map(|var| var.copy())
            .collect::<candle_core::Result<_>>()?)
    }

    pub(crate) fn set_weights(&self, values: &[Tensor]) -> Result<()> {
        self.vars()
            .zip(values)
            .try_for_each(|(var, value)| var.set(value))?;
        Ok(())
    }

    pub(crate) fn adam(&self) -> MutexGuard<'_, Adam> {
        self.adam.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
