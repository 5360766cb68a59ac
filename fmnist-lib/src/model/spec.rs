//! A network as a readable list of layers and branches.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::block::{Block, NamedLayer};
use crate::data::SIDE;
use crate::data::Scaling;
use crate::error::{Error, Result};
use crate::nn::{AnyLayer, Layer};

/// A network before it has weights: name, input scaling, and named layers in order.
///
/// ```
/// use fmnist_lib::{Conv2d, Dense, Flatten, MaxPool2d, ModelSpec};
///
/// let spec = ModelSpec::new("small")
///     .layer("conv", Conv2d::new(8).relu())
///     .layer("pool", MaxPool2d::new(2))
///     .layer("flatten", Flatten)
///     .layer("output", Dense::new(10));
/// assert_eq!(spec.summary()?.parameters(), 3 * 3 * 8 + 8 + 13 * 13 * 8 * 10 + 10);
/// # Ok::<(), fmnist_lib::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct ModelSpec {
    name: String,
    pub(crate) input: Vec<usize>,
    scaling: Scaling,
    pub(crate) layers: Block,
}

impl ModelSpec {
    /// An empty network for 28×28×1 images ([`input`](Self::input) says others) scaled to 0..1.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            input: vec![SIDE, SIDE, 1],
            scaling: Scaling::Unit,
            layers: Block::new(),
        }
    }

    /// Appends a layer of this crate. Its weights will be called `name.kernel`, `name.bias`.
    pub fn layer(self, name: &str, layer: impl Into<AnyLayer>) -> Self {
        let layers = self.layers.layer(name, layer);
        Self { layers, ..self }
    }

    /// Appends a layer of your own.
    pub fn custom(self, name: &str, layer: impl Layer + 'static) -> Self {
        let layers = self.layers.custom(name, layer);
        Self { layers, ..self }
    }

    /// Appends branches that all read what is there, and the sum of what they give
    /// (`keras.layers.Add`): `[body, Block::new()]` is a residual connection (He et al., 2016). Their
    /// outputs must have the same shape. Names of layers get `name/` before them.
    pub fn add(self, name: &str, branches: impl IntoIterator<Item = Block>) -> Self {
        let layers = self.layers.add(name, branches);
        Self { layers, ..self }
    }

    /// Appends branches that all read what is there, and what they give side by side, channel behind
    /// channel (`keras.layers.Concatenate`), as in GoogLeNet (Szegedy et al., 2015) and DenseNet
    /// (Huang et al., 2017). Names of layers get `name/` before them.
    pub fn concatenate(self, name: &str, branches: impl IntoIterator<Item = Block>) -> Self {
        let layers = self.layers.concatenate(name, branches);
        Self { layers, ..self }
    }

    /// Takes images of another shape than 28×28×1: height, width and channels, as
    /// [`Dataset::shape`](crate::Dataset::shape) tells them.
    ///
    /// ```
    /// use fmnist_lib::{Dense, Flatten, ModelSpec};
    ///
    /// let spec = ModelSpec::new("softmax").input([32, 32, 3]);
    /// let spec = spec.layer("flatten", Flatten).layer("output", Dense::new(10));
    /// assert_eq!(spec.summary()?.parameters(), 32 * 32 * 3 * 10 + 10);
    /// # Ok::<(), fmnist_lib::Error>(())
    /// ```
    pub fn input(self, shape: [usize; 3]) -> Self {
        let input = shape.to_vec();
        Self { input, ..self }
    }

    /// Feeds the network pixels scaled as `scaling` says.
    pub fn scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }

    /// Gives the network another name.
    pub fn named(self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self
        }
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its input is scaled.
    pub fn input_scaling(&self) -> Scaling {
        self.scaling
    }

    /// What sets the network of a file apart from this one, names of networks left aside; `None` where
    /// nothing does. The file may tell less than all.
    pub(super) fn difference(
        &self,
        scaling: Option<Scaling>,
        file: Option<&Self>,
    ) -> Option<String> {
        if let Some(theirs) = scaling.or(file.map(|file| file.scaling))
            && theirs != self.scaling
        {
            return Some(format!(
                "its network was trained with Scaling::{theirs:?}, but model {} has Scaling::{:?}",
                self.name, self.scaling
            ));
        }
        let file = file?;
        if file.input != self.input {
            return Some(format!(
                "its network takes images of {:?}, but model {} of {:?}",
                file.input, self.name, self.input
            ));
        }
        // A layer of the user's own is in no file, but in this network it may be.
        let shown = |layer: Option<&&NamedLayer>| {
            layer.map_or("none".to_owned(), |NamedLayer { name, layer }| {
                format!("{name}, {:?}", layer.as_layer())
            })
        };
        let (ours, theirs) = (self.layers.layers(), file.layers.layers());
        let count = ours.len().max(theirs.len());
        (0..count).find_map(|at| {
            let (theirs, ours) = (shown(theirs.get(at)), shown(ours.get(at)));
            (theirs != ours).then(|| {
                format!(
                    "layer {} of its network is {theirs}, but that of model {} is {ours}",
                    at + 1,
                    self.name
                )
            })
        })
    }

    /// Refuses everything but a batch of images as this network takes them.
    pub(crate) fn check_input(&self, input: &Tensor) -> Result<()> {
        let found = input.dims();
        if found.get(1..) == Some(&self.input) && input.dtype() == DType::F32 {
            return Ok(());
        }
        let wanted = self.input.iter().map(|side| format!(", {side}"));
        let wanted = format!("(batch{})", wanted.collect::<String>());
        let remedy = match found {
            _ if found.get(1..) == Some(&self.input) => "; convert it by to_dtype(DType::F32)",
            _ if found == self.input => "; add the batch by unsqueeze(0)",
            &[_, channels, height, width] if [height, width, channels] == self.input[..] => {
                "; put the channels last by permute((0, 2, 3, 1))"
            }
            _ => "",
        };
        Err(Error::Invalid(format!(
            "model {} takes an input of shape {wanted}, F32, but gets {found:?}, {:?}{remedy}",
            self.name,
            input.dtype()
        )))
    }
}
