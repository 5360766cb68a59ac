//! What is measured: the report's networks and those of `examples/zoo`, by name.

#[allow(dead_code, reason = "of a recipe, the network alone is measured")]
#[path = "../../examples/zoo/networks.rs"]
mod zoo;

use fmnist_lib::{AnyLoss, ModelSpec, one_layer, three_layer, two_layer};

use crate::Result;

/// A network, and what it is trained by; the optimiser is always Adam.
pub(crate) struct Network {
    pub(crate) spec: ModelSpec,
    pub(crate) loss: AnyLoss,
}

impl Network {
    pub(crate) fn name(&self) -> &str {
        self.spec.name()
    }

    pub(crate) fn parameters(&self) -> Result<usize> {
        Ok(self.spec.summary()?.parameters())
    }
}

/// The report's, by their number of convolutions.
pub(crate) fn report() -> Vec<Network> {
    let specs = [one_layer(), two_layer(), three_layer()].into_iter();
    specs
        .map(|spec| Network {
            spec,
            loss: AnyLoss::CrossEntropy,
        })
        .collect()
}

pub(crate) fn zoo() -> Vec<Network> {
    let recipes = zoo::all().into_iter();
    recipes
        .map(|recipe| Network {
            spec: recipe.spec,
            loss: recipe.config.loss,
        })
        .collect()
}
