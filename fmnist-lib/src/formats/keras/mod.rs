//! Keras's files: `.keras`, `.weights.h5`, and the `.h5` of Keras 2.

mod archive;
mod dominators;
mod functions;
mod graph;
mod layers;
mod order;
mod read;
mod settings;
mod weights;
mod write;

use std::collections::HashMap;
use std::path::Path;

use archive::Archive;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::support::files::write_atomically;

impl Model {
    /// Reads a model that Keras's `model.save("net.keras")` has written (or `"net.h5"`, as Keras 2 did): its layers, its
    /// input scaling and its weights. It answers as there, and is trained from there on.
    ///
    /// The scores come without a softmax: [`predict`](crate::predict) and the losses apply one, so that a softmax at the end of
    /// the file's network is left out. A `Rescaling` at its beginning becomes the [`Scaling`](crate::Scaling); without one, the
    /// network is taken to have been trained on pixels / 255. For any other scaling, build
    /// `model.spec().clone().scaling(…)` and call [`load_keras_weights`](Self::load_keras_weights). A layer within branches
    /// gets their name before its own, as in [`ModelSpec::add`](crate::ModelSpec::add). A layer with `trainable=False` is
    /// [frozen](Self::freeze). Another activation at the end than a softmax stays: `predict` is for networks that give scores,
    /// [`outputs`](crate::outputs) for all others.
    ///
    /// | Keras | read where |
    /// |---|---|
    /// | `Sequential`, functional (`keras.Model(inputs, outputs)`) | one input, one output, no model within it, each layer used once |
    /// | `Conv2D`, `DepthwiseConv2D`, `Conv2DTranspose` | `dilation_rate` 1, no `output_padding` |
    /// | `SeparableConv2D` | `dilation_rate` 1; becomes two layers |
    /// | `Dense` | its input is flat |
    /// | `MaxPooling2D`, `AveragePooling2D`, `GlobalAveragePooling2D` | no `keepdims` |
    /// | `BatchNormalization`, `LayerNormalization` | along channels |
    /// | `Dropout`, `Flatten`, `Reshape`, `ZeroPadding2D`, `UpSampling2D` | `UpSampling2D` to the nearest pixel |
    /// | `Add`, `Concatenate` | of branches that begin at one layer; `Concatenate` along channels |
    /// | `ReLU`, `LeakyReLU`, `ELU`, `Activation` and the setting `activation` | relu, leaky relu, elu, selu, gelu, silu (swish), sigmoid, tanh, linear |
    /// | `Rescaling`, `Softmax` | the first behind the input; the last layer |
    ///
    /// What only training needs (optimiser, loss, regularisers, constraints, initialisers that this crate does not have) is
    /// not read. Mixed precision is computed in `float32`. A normalisation without `scale` or `center` gets a `gamma` of ones or a `beta` of zeros, which learn here.
    ///
    /// ```no_run
    /// use fmnist_lib::*;
    ///
    /// let data = FashionMnist::load()?;
    /// let model = Model::load_keras("net.keras")?;
    /// println!("{}", evaluate(&model, &data.test)?);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file is truncated or no model of Keras, or when its network has a layer or a setting
    /// that this crate does not have; the message names the layer.
    pub fn load_keras(path: impl AsRef<Path>) -> Result<Self> {
        read_model(path.as_ref())
    }

    /// Writes the network and its weights for Keras 3: `keras.models.load_model("net.keras")`, all or nothing.
    ///
    /// Keras's model gives what [`forward`](Self::forward) gives, for a classifier scores without a softmax: train it there
    /// with `SparseCategoricalCrossentropy(from_logits=True)`, or put a `keras.layers.Softmax()` behind it. It takes what
    /// `forward` takes too: pixels that are [scaled](crate::ModelSpec::input_scaling) already. Names have `.` for `/`, which
    /// Keras does not allow. An activation behind a batch normalisation is a layer of its own there, and so is a convolution's
    /// padding by a number of pixels.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the name does not end in `.keras`, or the network has a layer of your own or a pool that pads by
    /// a number of pixels: the message names it. [`Error::Io`] when the file cannot be written; what was there before then stays.
    pub fn save_keras(&self, path: impl AsRef<Path>) -> Result<()> {
        write_model(self, path.as_ref())
    }

    /// Replaces the weights by those of Keras's `model.save_weights("net.weights.h5")` (or of a whole `.keras` or `.h5`), of a
    /// network with the same layers.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file has other weights. The model is then as it was.
    pub fn load_keras_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        read_weights(self, path.as_ref())
    }

    /// Writes the weights for Keras's `model.load_weights("net.weights.h5")`, all or nothing.
    ///
    /// # Errors
    /// As for [`save_keras`](Self::save_keras); here the name ends in `.weights.h5`.
    pub fn save_keras_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        write_weights(self, path.as_ref())
    }
}

fn read_model(path: &Path) -> Result<Model> {
    let archive = Archive::read(path)?;
    let model = || {
        let config = archive.config()?;
        let nodes = graph::nodes(&config)?;
        let (spec, sources) = read::spec(&config, &nodes)?;
        read::check_axes(&spec, &config, &nodes, &sources)?;
        let weights = archive.weights.of(&spec, &nodes, &sources)?;
        let mut model = spec.build(0)?;
        model.set_weights(&weights)?;
        model.freeze(read::frozen(&spec, &nodes, &sources)?)?;
        Ok(model)
    };
    model().map_err(refused(path))
}

fn write_model(model: &Model, path: &Path) -> Result<()> {
    ends_in(".keras", path)?;
    let bytes = || {
        let nodes = write::nodes(model)?;
        archive::write(
            &write::config(model.spec(), &nodes),
            weights::write(&nodes)?,
        )
    };
    write_atomically(path, &bytes().map_err(refused(path))?)
}

fn read_weights(model: &mut Model, path: &Path) -> Result<()> {
    let archive = Archive::read(path)?;
    let mut give = || {
        // The file's own description says which weights each layer has. Where there is none, or its layers have other
        // names, the weights are those of the layers in Keras's order.
        let (nodes, sources) = match described(&archive, model) {
            Some(described) => described,
            None => by_order(model)?,
        };
        let weights = archive.weights.of(model.spec(), &nodes, &sources)?;
        let weights: candle_core::Result<Vec<_>> = weights
            .iter()
            .map(|weight| weight.to_device(model.device()))
            .collect();
        model.set_weights(&weights?)
    };
    give().map_err(refused(path))
}

type Described = (Vec<graph::Node>, HashMap<String, usize>);

/// The file's network, where it has all layers of the model.
fn described(archive: &Archive, model: &Model) -> Option<Described> {
    let config = archive.config().ok()?;
    let nodes = graph::nodes(&config).ok()?;
    let (_, sources) = read::spec(&config, &nodes).ok()?;
    let layers = model.layers().ok()?;
    let mut weighted = layers.iter().filter(|(_, weights)| !weights.is_empty());
    weighted
        .all(|(placed, _)| sources.contains_key(&placed.name))
        .then_some((nodes, sources))
}

fn by_order(model: &Model) -> Result<Described> {
    let nodes = write::nodes(model)?;
    let named = |(at, node): (usize, &graph::Node)| Some((node.layer.as_ref()?.name.clone(), at));
    let sources = nodes.iter().enumerate().filter_map(named).collect();
    Ok((nodes, sources))
}

fn write_weights(model: &Model, path: &Path) -> Result<()> {
    ends_in(".weights.h5", path)?;
    let bytes = || weights::write(&write::nodes(model)?);
    write_atomically(path, &bytes().map_err(refused(path))?)
}

/// Keras tells by a file's name how to read it.
fn ends_in(ending: &str, path: &Path) -> Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy());
    match name.is_some_and(|name| name.ends_with(ending)) {
        true => Ok(()),
        false => Err(refused(path)(Error::Invalid(format!(
            "Keras reads such a file only where its name ends in {ending}"
        )))),
    }
}

/// Says of which file it was.
fn refused(path: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Invalid(problem) => Error::ModelFile {
            path: path.into(),
            problem,
        },
        other => other,
    }
}
