//! Weights as PyTorch has them.

mod layout;
mod order;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use candle_core::{Device, Tensor};

use crate::error::{Error, Result};
use crate::model::{Model, Placed};
use crate::support::files::read;
use crate::support::tensors::{Wanted, parse, refused, write};
use layout::{Layout, batches, layouts};
use order::orders;

impl Model {
    /// Writes the weights to `path` as PyTorch has them, all or nothing: a safetensors file, whose tensors
    /// `torch.nn.Module.load_state_dict` takes for the same network.
    ///
    /// ```
    /// # use fmnist_lib::{Conv2d, Dense, Flatten, ModelSpec};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("small.safetensors");
    /// let spec = ModelSpec::new("small")
    ///     .layer("conv", Conv2d::new(8).relu())
    ///     .layer("flatten", Flatten)
    ///     .layer("output", Dense::new(10));
    /// let mut model = spec.build(42)?;
    /// model.save_pytorch(&path)?;
    /// model.load_pytorch(&path)?;
    /// # Ok::<(), fmnist_lib::Error>(())
    /// ```
    ///
    /// In Python:
    ///
    /// ```python
    /// from collections import OrderedDict
    /// from safetensors.torch import load_file
    /// from torch import nn
    /// model = nn.Sequential(OrderedDict([
    ///     ("conv", nn.Conv2d(1, 8, 3)), ("relu", nn.ReLU()),
    ///     ("flatten", nn.Flatten()),
    ///     ("output", nn.Linear(26 * 26 * 8, 10)),
    /// ]))
    /// model.load_state_dict(load_file("small.safetensors"))
    /// scores = model.eval()(images) # (batch, 1, 28, 28), scaled as ModelSpec::input_scaling says
    /// ```
    ///
    /// - **Names**: a layer's weights are `name.weight` and `name.bias`; those of a batch normalisation also
    ///   `running_mean`, `running_var` and `num_batches_tracked`, which is 0. PyTorch's names have no dots: `block-1.2`
    ///   is `block-1_2`. A layer of a branch, `block/conv`, is the module `conv` of the module `block`.
    /// - **Order**: in PyTorch the channels come before rows and columns. Its `Flatten` therefore gives the values in
    ///   another order than [`Flatten`](crate::Flatten). The weights behind it, usually those of a dense layer, are
    ///   written in that order, so that both networks give the same scores. So are the outputs of a dense layer in front
    ///   of a [`Reshape`](crate::Reshape) to images, which is `nn.Unflatten(1, (channels, height, width))`.
    /// - **Settings** are not in the file, and PyTorch's defaults differ. Give `BatchNorm2d` and `LayerNorm` the epsilon
    ///   of here (0.001), and `BatchNorm2d` 1 minus the momentum of here (0.01). `AvgPool2d` with padding needs
    ///   `count_include_pad=False`. `nn.LayerNorm` wants the channels of an image last. Where `same()` needs more zeros
    ///   at the end than at the beginning, put an `nn.ZeroPad2d` before the layer; where a
    ///   [`Conv2dTranspose`](crate::Conv2dTranspose) cuts more off at the end, slice what PyTorch's gives.
    ///
    /// # Errors
    /// When a layer is one of your own, or PyTorch's network would compute something else whatever the order of the
    /// weights; when two layers would have the same name; when the file cannot be written. What was there before then
    /// stays.
    pub fn save_pytorch(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_pytorch(path.as_ref())
    }

    fn write_pytorch(&self, path: &Path) -> Result<()> {
        let (layouts, batches) = self.as_in_pytorch()?;
        let mut tensors = Vec::new();
        for (layout, (_, weight)) in layouts.iter().zip(self.weights()) {
            tensors.push((layout.name.clone(), layout.apply(&weight)?));
        }
        for name in batches {
            tensors.push((name, Tensor::new(0_i64, &Device::Cpu)?));
        }
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        write(path, &tensors, Some(format))
    }

    /// Replaces the weights by those of the same network in PyTorch, from a file that
    /// `safetensors.torch.save_file(model.state_dict(), path)` has written, or [`save_pytorch`](Self::save_pytorch),
    /// where it says how names, order and settings correspond.
    ///
    /// ```no_run
    /// # let spec = fmnist_lib::one_layer();
    /// let mut model = spec.build(42)?;
    /// model.load_pytorch("from-pytorch.safetensors")?;
    /// # Ok::<(), fmnist_lib::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when a tensor is missing, has another shape or type, or is one too many; the message names
    /// it. As for `save_pytorch`, when the network cannot be one of PyTorch. The model is then as it was.
    pub fn load_pytorch(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.read_pytorch(path.as_ref())
    }

    fn read_pytorch(&mut self, path: &Path) -> Result<()> {
        let (layouts, batches) = self.as_in_pytorch()?;
        let bytes = read(path)?;
        // `torch.save` writes a ZIP archive.
        if bytes.starts_with(b"PK") {
            return Err(refused(
                path,
                "torch.save has written it; in Python, write safetensors by \
                 safetensors.torch.save_file(model.state_dict(), path)",
            ));
        }
        let file = parse(path, &bytes)?;
        let model = self.spec().name();
        let weights = layouts.iter().map(|layout| {
            let wanted = Wanted {
                model,
                name: &layout.name,
                shape: &layout.shape(),
            };
            layout.undo(wanted.find(path, &file, self.device())?)
        });
        let weights: Vec<Tensor> = weights.collect::<Result<_>>()?;
        let known = layouts.iter().map(|layout| &layout.name).chain(&batches);
        let known: HashSet<&str> = known.map(String::as_str).collect();
        if let Some(other) = file.names().into_iter().find(|name| !known.contains(name)) {
            return Err(refused(
                path,
                format!("it has a tensor {other}, for which model {model} has no weight"),
            ));
        }
        self.set_weights(&weights)
    }

    /// The layout of each weight, and the names of what PyTorch has besides.
    fn as_in_pytorch(&self) -> Result<(Vec<Layout>, Vec<String>)> {
        let spec = self.spec();
        let located = |problem: Error| problem.about(&format!("model {}", spec.name()));
        let layers = self.layers()?.into_iter().map(|(layer, _)| layer);
        let layers: Vec<Placed<'_>> = layers.collect();
        let orders = orders(&spec.input, &layers).map_err(located)?;
        let (mut all, mut counters, mut names) = (Vec::new(), Vec::new(), HashSet::new());
        for (layer, orders) in layers.iter().zip(&orders) {
            let layouts = layouts(layer, orders).map_err(located)?;
            for layout in &layouts {
                if !names.insert(layout.name.clone()) {
                    return Err(located(Error::Invalid(format!(
                        "layer {}: another layer has a weight that PyTorch would call {} as well; change one \
                         of their names",
                        layer.name, layout.name
                    ))));
                }
            }
            all.extend(layouts);
            counters.extend(batches(layer).map_err(located)?);
        }
        Ok((all, counters))
    }
}
