//! Which layers learn, and what they begin with.

use std::mem::take;

use super::place::Placed;
use super::{Log, Model, plan_on};
use crate::error::{Error, Result};
use crate::model::Summary;
use crate::optim::OptimizerState;

impl Model {
    /// Keeps the weights of `layers` as they are, and lets all others learn: Keras's `layer.trainable = False`. The
    /// name of branches stands for all layers in them. No name lets all layers learn again.
    ///
    /// Batch normalisation that is frozen works as in evaluation, by its moving means, and dropout still drops, as in
    /// Keras. Layers at the head of a network cost no backward pass while they are frozen.
    ///
    /// The history stays. The optimiser begins anew, and a run that was stopped cannot be finished.
    ///
    /// ```
    /// use fmnist_lib::*;
    ///
    /// let mut model = two_layer().build(42)?;
    /// model.freeze(["Conv2D-1", "Conv2D-2"])?;
    /// assert_eq!(model.summary()?.not_trainable(), 320 + 18_496);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the network has no layer of a name; nothing changes then.
    pub fn freeze<'a>(&mut self, layers: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let frozen = self.named(layers)?;
        self.set_frozen(&frozen)
    }

    /// As [`freeze`](Self::freeze), of all layers but these: `freeze_all_but(["Output"])` trains the last layer alone.
    ///
    /// # Errors
    /// As for `freeze`.
    pub fn freeze_all_but<'a>(&mut self, layers: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let learning = self.named(layers)?;
        let frozen: Vec<bool> = learning.iter().map(|learns| !learns).collect();
        self.set_frozen(&frozen)
    }

    /// Takes over the weights of `layers` from another network, which has layers of these names and shapes. Then
    /// [`freeze`](Self::freeze) them, and train what is new ("transfer learning").
    ///
    /// ```
    /// use fmnist_lib::*;
    ///
    /// let learned = two_layer().build(1)?; // or Model::load
    /// let letters = ModelSpec::new("letters")
    ///     .layer("Conv2D-1", Conv2d::new(32).relu())
    ///     .layer("MaxPool", MaxPool2d::new(2))
    ///     .layer("Conv2D-2", Conv2d::new(64).relu())
    ///     .layer("flatten", Flatten)
    ///     .layer("Output", Dense::new(26));
    /// let mut model = letters.build(2)?;
    /// model.copy_weights(&learned, ["Conv2D-1", "Conv2D-2"])?;
    /// model.freeze_all_but(["Output"])?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When one of the networks has no layer of a name, or its weights have another shape; nothing changes then.
    pub fn copy_weights<'a>(
        &mut self,
        from: &Self,
        layers: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let wanted = self.named(layers)?;
        let mut values = self.snapshot()?;
        let of_layers = self.spec.place()?;
        let copied = of_layers.iter().zip(&wanted).flat_map(of_each_weight);
        for ((weight, value), &wanted) in self.weights.iter().zip(&mut values).zip(copied) {
            if !wanted {
                continue;
            }
            let named = from.weights.iter().find(|other| other.name == weight.name);
            let other = named.ok_or_else(|| {
                let (name, from) = (&weight.name, from.spec.name());
                Error::Invalid(format!("model {from} has no weight {name} to copy"))
            })?;
            if other.var.dims() != weight.var.dims() {
                return Err(Error::Invalid(format!(
                    "{} has the shape {:?} in model {}, but {:?} in model {}: only weights of the same shape can be copied",
                    weight.name,
                    other.var.dims(),
                    from.spec.name(),
                    weight.var.dims(),
                    self.spec.name()
                )));
            }
            *value = other.var.to_device(&self.device)?;
        }
        self.set_weights(&values)?;
        self.begin_anew();
        Ok(())
    }

    /// The table of [`ModelSpec::summary`](crate::ModelSpec::summary), in which frozen weights are not trainable.
    ///
    /// # Errors
    /// Never, as the network has been built.
    pub fn summary(&self) -> Result<Summary> {
        let mut summary = self.spec.summary()?;
        for (row, frozen) in summary.rows.iter_mut().zip(self.frozen_layers()?) {
            if frozen {
                row.not_trainable = row.parameters;
            }
        }
        Ok(summary)
    }

    /// Refuses to train a network in which nothing learns.
    pub(crate) fn check_learns(&self) -> Result<()> {
        let frozen = self.weights.iter().any(|weight| weight.frozen);
        if frozen && !self.weights.iter().any(super::NamedWeight::learns) {
            return Err(Error::Invalid(format!(
                "all layers of model {} are frozen, so that nothing would learn: name fewer of them in Model::freeze",
                self.spec.name()
            )));
        }
        Ok(())
    }

    /// The names of the frozen layers.
    pub(super) fn frozen_names(&self) -> Result<Vec<String>> {
        let placed = self.spec.place()?;
        let pairs = placed.iter().zip(self.frozen_layers()?);
        let frozen = pairs.filter(|(_, frozen)| *frozen);
        Ok(frozen.map(|(layer, _)| layer.name.clone()).collect())
    }

    /// For each layer, whether it is one of these.
    pub(super) fn named<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<bool>> {
        let placed = self.spec.place()?;
        let mut found = vec![false; placed.len()];
        for name in names {
            let within = format!("{name}/");
            let is_meant =
                |layer: &Placed<'_>| layer.name == name || layer.name.starts_with(&within);
            let mut meant = placed
                .iter()
                .enumerate()
                .filter(|(_, layer)| is_meant(layer))
                .peekable();
            if meant.peek().is_none() {
                let names: Vec<&str> = placed.iter().map(|layer| layer.name.as_str()).collect();
                return Err(Error::Invalid(format!(
                    "model {} has no layer {name:?}; its layers are {}",
                    self.spec.name(),
                    names.join(", ")
                )));
            }
            meant.for_each(|(at, _)| found[at] = true);
        }
        Ok(found)
    }

    fn set_frozen(&mut self, frozen: &[bool]) -> Result<()> {
        if self.frozen_layers()? != frozen {
            self.apply_frozen(frozen)?;
            self.begin_anew();
        }
        Ok(())
    }

    pub(super) fn apply_frozen(&mut self, frozen: &[bool]) -> Result<()> {
        let placed = self.spec.place()?;
        self.plan = plan_on(&self.device, &self.spec.input, &placed, frozen);
        let of_weights = placed.iter().zip(frozen).flat_map(of_each_weight);
        for (weight, &frozen) in self.weights.iter_mut().zip(of_weights) {
            weight.frozen = frozen;
        }
        Ok(())
    }

    /// For each layer, whether it has weights that are frozen.
    pub(super) fn frozen_layers(&self) -> Result<Vec<bool>> {
        let placed = self.spec.place()?;
        let mut weights = self.weights.iter();
        let of_layer = |layer: &Placed<'_>| {
            let own: Vec<bool> = weights
                .by_ref()
                .take(layer.weights.len())
                .map(|it| it.frozen)
                .collect();
            own.contains(&true)
        };
        Ok(placed.iter().map(of_layer).collect())
    }

    /// Other weights learn, or other values are there, than what the optimiser and the run have known.
    fn begin_anew(&mut self) {
        self.optimizer = OptimizerState::default();
        self.log = Log {
            history: take(&mut self.log.history),
            ..Log::default()
        };
    }
}

/// What is known of a layer, for each of its weights.
fn of_each_weight<'a, T>(
    (layer, known): (&Placed<'_>, &'a T),
) -> impl Iterator<Item = &'a T> + use<'a, T> {
    std::iter::repeat_n(known, layer.weights.len())
}
