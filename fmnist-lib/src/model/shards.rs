//! What a batch that is cut into shards asks of a network.

use super::{Model, ModelSpec, NamedWeight};
use crate::error::{Error, Result};
use crate::nn::{AnyLayer, Operation};

impl Model {
    /// Whether a layer measures the batches of training, as batch normalisation does.
    pub(crate) fn measures_batches(&self) -> bool {
        self.weights.iter().any(NamedWeight::is_statistic)
    }

    /// Refuses a network that measures batches in a way that knows of one shard only.
    pub(crate) fn check_shards(&self) -> Result<()> {
        if !self.measures_batches() {
            return Ok(());
        }
        let refuse = |problem: String| {
            Err(Error::Invalid(format!(
                "model {} cannot learn from batches in shards: {problem}. Leave out FitConfig::shards",
                self.spec.name()
            )))
        };
        if !self.device.is_cpu() {
            return refuse("it has batch normalisation, and is not on the CPU".into());
        }
        let placed = self.spec.place()?;
        let frozen = self.frozen_layers(&placed);
        let own = placed.iter().zip(frozen).find(|(layer, frozen)| {
            let measures = layer.weights.iter().any(|weight| !weight.trainable);
            is_own(layer.operation) && measures && !frozen
        });
        match own {
            Some((layer, _)) => refuse(format!(
                "its layer {} is your own, and keeps weights up to date by itself, of which each shard would have \
                 other values",
                layer.name
            )),
            None => Ok(()),
        }
    }
}

impl ModelSpec {
    /// The first layer whose code is the user's own.
    pub(crate) fn own_layer(&self) -> Result<Option<String>> {
        let mut placed = self.place()?.into_iter();
        let own = placed.find(|layer| is_own(layer.operation));
        Ok(own.map(|layer| layer.name))
    }
}

fn is_own(operation: Operation<'_>) -> bool {
    matches!(operation, Operation::Layer(AnyLayer::Custom(_)))
}
