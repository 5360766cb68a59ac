//! Which layers learn, and what they begin with.

use super::place::Placed;
use super::{Model, NamedWeight, plan_on};
use crate::error::{Error, Result};
use crate::model::Summary;
use crate::nn::Operation;
use crate::optim::OptimizerState;

impl Model {
    /// Keeps the weights of `layers` as they are: Keras's `layer.trainable = False`. What was frozen before stays so. The
    /// name of branches stands for all layers in them.
    ///
    /// Batch normalisation that is frozen works as in evaluation, by its moving means, and dropout still drops, as in
    /// Keras. Layers at the head of a network cost no backward pass while they are frozen.
    ///
    /// The history stays. Where this changes anything, the optimiser begins anew, and a run that was stopped cannot be
    /// finished. What is frozen is part of a checkpoint: [`restore`](Self::restore) freezes what was frozen there.
    ///
    /// ```
    /// use fmnist_lib::*;
    ///
    /// let mut model = two_layer().build(42)?;
    /// model.freeze(["Conv2D-1", "Conv2D-2"])?;
    /// assert_eq!(model.summary()?.not_trainable(), 320 + 18_496);
    /// model.unfreeze(["Conv2D-2"])?;
    /// assert_eq!(model.summary()?.not_trainable(), 320);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When the network has no layer of a name; nothing changes then.
    pub fn freeze(&mut self, layers: impl IntoIterator<Item: AsRef<str>>) -> Result<()> {
        let layers = self.named(layers)?;
        self.set_frozen(|at, is_frozen| is_frozen || layers[at])
    }

    /// Lets these layers learn again.
    ///
    /// # Errors
    /// As for [`freeze`](Self::freeze).
    pub fn unfreeze(&mut self, layers: impl IntoIterator<Item: AsRef<str>>) -> Result<()> {
        let layers = self.named(layers)?;
        self.set_frozen(|at, is_frozen| is_frozen && !layers[at])
    }

    /// Lets all layers learn again.
    ///
    /// # Errors
    /// Never, as the network has been built.
    pub fn unfreeze_all(&mut self) -> Result<()> {
        self.set_frozen(|_, _| false)
    }

    /// Freezes all layers but these, which learn: `freeze_all_but(["Output"])` trains the last layer alone.
    ///
    /// # Errors
    /// As for [`freeze`](Self::freeze).
    pub fn freeze_all_but(&mut self, layers: impl IntoIterator<Item: AsRef<str>>) -> Result<()> {
        let layers = self.named(layers)?;
        self.set_frozen(|at, _| !layers[at])
    }

    /// Takes over the weights of `layers` from another network, which has layers of these names and shapes. Then
    /// [`freeze`](Self::freeze) them, and train what is new ("transfer learning"). Give both networks the same
    /// [`scaling`](crate::ModelSpec::scaling).
    ///
    /// The history stays. The optimiser begins anew, and a run that was stopped cannot be finished.
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
    /// When one of the networks has no layer of a name, or its weights are others; nothing changes then.
    pub fn copy_weights(
        &mut self,
        from: &Self,
        layers: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<()> {
        let wanted = self.named(layers)?;
        let mut values = self.snapshot()?;
        let (own, others) = (self.spec.place()?, from.spec.place()?);
        let mut first = 0;
        for (layer, wanted) in own.iter().zip(wanted) {
            let places = first..first + layer.weights.len();
            first = places.end;
            if !wanted || places.is_empty() {
                continue;
            }
            let weights = from.weights_like(&others, layer)?;
            for (value, weight) in values[places].iter_mut().zip(weights) {
                *value = weight.var.to_device(&self.device)?;
            }
        }
        self.set_weights(&values)?;
        self.begin_anew();
        Ok(())
    }

    /// The weights of the layer of this network, placed as `placed`, that is like `wanted` of another one.
    fn weights_like(&self, placed: &[Placed<'_>], wanted: &Placed<'_>) -> Result<&[NamedWeight]> {
        let before = placed.iter().take_while(|layer| layer.name != wanted.name);
        let first: usize = before.map(|layer| layer.weights.len()).sum();
        let shapes = |layer: &Placed<'_>| -> Vec<(&str, Vec<usize>)> {
            let weights = layer.weights.iter();
            weights
                .map(|weight| (weight.name, weight.shape.clone()))
                .collect()
        };
        let found = placed
            .iter()
            .find(|layer| layer.name == wanted.name)
            .map(shapes);
        if found.as_ref() == Some(&shapes(wanted)) {
            return Ok(&self.weights[first..first + wanted.weights.len()]);
        }
        let told = |weights: Vec<(&str, Vec<usize>)>| {
            let told = weights
                .iter()
                .map(|(name, shape)| format!("{name} {shape:?}"));
            told.collect::<Vec<_>>().join(", ")
        };
        Err(Error::Invalid(format!(
            "layer {} cannot be copied from model {}: it needs {}, but there is {}",
            wanted.name,
            self.spec.name(),
            told(shapes(wanted)),
            found.map_or("no layer of this name".to_owned(), told)
        )))
    }

    /// The table of [`ModelSpec::summary`](crate::ModelSpec::summary), in which frozen weights are not trainable.
    ///
    /// # Errors
    /// Never, as the network has been built.
    pub fn summary(&self) -> Result<Summary> {
        let mut summary = self.spec.summary()?;
        let frozen = self.frozen_layers(&self.spec.place()?);
        for (row, frozen) in summary.rows.iter_mut().zip(frozen) {
            if frozen {
                row.not_trainable = row.parameters;
            }
        }
        Ok(summary)
    }

    /// Refuses to train a network in which nothing learns.
    pub(crate) fn check_learns(&self) -> Result<()> {
        let frozen = self.weights.iter().any(|weight| weight.frozen);
        if frozen && !self.weights.iter().any(NamedWeight::learns) {
            return Err(Error::Invalid(format!(
                "all layers of model {} are frozen, so that nothing would learn: let some learn again by Model::unfreeze",
                self.spec.name()
            )));
        }
        Ok(())
    }

    /// The names of the frozen layers.
    pub(crate) fn frozen_names(&self) -> Result<Vec<String>> {
        let placed = self.spec.place()?;
        let pairs = placed.iter().zip(self.frozen_layers(&placed));
        let frozen = pairs.filter(|(_, frozen)| *frozen);
        Ok(frozen.map(|(layer, _)| layer.name.clone()).collect())
    }

    /// For each layer, whether it is one of these.
    pub(super) fn named(&self, names: impl IntoIterator<Item: AsRef<str>>) -> Result<Vec<bool>> {
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().into()).collect();
        self.have_names(&names)
    }

    fn have_names(&self, names: &[String]) -> Result<Vec<bool>> {
        let placed = self.spec.place()?;
        let mut found = vec![false; placed.len()];
        for name in names {
            let at = self.spec.position(&placed, name)?;
            found[at] = true;
            if let Operation::Merge(_) = placed[at].operation {
                let within = format!("{name}/");
                let layers = found.iter_mut().zip(&placed);
                layers.for_each(|(found, layer)| *found |= layer.name.starts_with(&within));
            }
        }
        Ok(found)
    }

    /// `frozen` says of a layer, which is frozen so far or is not, whether it is to be.
    fn set_frozen(&mut self, frozen: impl Fn(usize, bool) -> bool) -> Result<()> {
        let placed = self.spec.place()?;
        let before = self.frozen_layers(&placed);
        let layers = placed.iter().zip(&before).enumerate();
        // A layer without weights has nothing to keep.
        let after: Vec<bool> = layers
            .map(|(at, (layer, &before))| frozen(at, before) && !layer.weights.is_empty())
            .collect();
        if before != after {
            self.apply_frozen(&after)?;
            self.begin_anew();
        }
        Ok(())
    }

    pub(super) fn apply_frozen(&mut self, frozen: &[bool]) -> Result<()> {
        let placed = self.spec.place()?;
        self.plan = plan_on(&self.device, &self.spec.input, &placed, frozen);
        let mut weights = self.weights.iter_mut();
        for (layer, &frozen) in placed.iter().zip(frozen) {
            let own = weights.by_ref().take(layer.weights.len());
            own.for_each(|weight| weight.frozen = frozen);
        }
        Ok(())
    }

    /// For each layer of this network, placed as `placed`, whether it has weights that are frozen.
    pub(super) fn frozen_layers(&self, placed: &[Placed<'_>]) -> Vec<bool> {
        let mut weights = self.weights.iter();
        let of_layer = |layer: &Placed<'_>| {
            let own = weights.by_ref().take(layer.weights.len());
            own.fold(false, |any, weight| any | weight.frozen)
        };
        placed.iter().map(of_layer).collect()
    }

    /// Other weights learn, or other values are there, than what the optimiser and the run have known.
    fn begin_anew(&mut self) {
        self.optimizer = OptimizerState::default();
        self.log.forget_run();
    }
}
