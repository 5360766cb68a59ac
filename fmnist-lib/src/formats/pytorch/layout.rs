//! Where PyTorch has the numbers of a weight, and under which name.

use candle_core::Tensor;

use super::order::{Order, Orders};
use crate::error::{Error, Result};
use crate::model::Placed;
use crate::nn::{AnyLayer, Operation};

/// How PyTorch has a weight.
pub(super) struct Layout {
    /// Of the parameter, behind that of its module.
    pub(super) name: String,
    ours: Vec<usize>,
    /// The same values in as many dimensions as PyTorch's.
    wide: Vec<usize>,
    /// For each of PyTorch's dimensions, its place among these.
    dimensions: Vec<usize>,
    /// Of the values along the first of PyTorch's dimensions.
    orders: Vec<Order>,
}

impl Layout {
    /// PyTorch's.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.dimensions.iter().map(|&at| self.wide[at]).collect()
    }

    /// A weight of ours as PyTorch has it.
    pub(super) fn apply(&self, ours: &Tensor) -> Result<Tensor> {
        let wide = ours.reshape(&self.wide[..])?;
        let theirs = wide.permute(&self.dimensions[..])?;
        let mut orders = self.orders.iter().enumerate();
        orders.try_fold(theirs, |theirs, (at, order)| order.apply(theirs, at))
    }

    /// The way back.
    pub(super) fn undo(&self, theirs: Tensor) -> Result<Tensor> {
        let mut orders = self.orders.iter().enumerate();
        let wide = orders.try_fold(theirs, |theirs, (at, order)| order.undo(theirs, at))?;
        let mut back = self.dimensions.clone();
        for (theirs, &ours) in self.dimensions.iter().enumerate() {
            back[ours] = theirs;
        }
        Ok(wide.permute(&back[..])?.reshape(&self.ours[..])?)
    }
}

/// Of each weight of a layer, in order.
pub(super) fn layouts(layer: &Placed<'_>, orders: &Orders) -> Result<Vec<Layout>> {
    let module = module_name(&layer.name)?;
    let Operation::Layer(kind) = layer.operation else {
        return Ok(Vec::new());
    };
    if let AnyLayer::Custom(own) = kind {
        return Err(Error::Invalid(format!(
            "layer {}: nobody knows what PyTorch calls the weights of a layer of your own ({}); save_weights \
             writes them as they are",
            layer.name,
            own.kind()
        )));
    }
    let Orders { input, output } = orders;
    let weights = layer.weights.iter().map(|weight| {
        let shape = &weight.shape;
        let (name, wide, dimensions, orders) = match (weight.name, &shape[..]) {
            ("kernel", _) if matches!(kind, AnyLayer::Dense(_)) => {
                ("weight", shape.clone(), vec![1, 0], vec![output, input])
            }
            ("kernel", &[rows, columns, channels, multiplier])
                if matches!(kind, AnyLayer::DepthwiseConv2d(_)) =>
            {
                let wide = vec![rows, columns, 1, channels * multiplier];
                ("weight", wide, vec![3, 2, 0, 1], vec![])
            }
            ("kernel", _) => ("weight", shape.clone(), vec![3, 2, 0, 1], vec![]),
            (name, _) => {
                let name = match name {
                    "gamma" => "weight",
                    "beta" => "bias",
                    "moving_mean" => "running_mean",
                    "moving_variance" => "running_var",
                    other => other,
                };
                (name, shape.clone(), vec![0], vec![output])
            }
        };
        Layout {
            name: format!("{module}.{name}"),
            ours: shape.clone(),
            wide,
            dimensions,
            orders: orders.into_iter().cloned().collect(),
        }
    });
    Ok(weights.collect())
}

/// Where PyTorch counts the batches that a batch normalisation has seen.
pub(super) fn batches(layer: &Placed<'_>) -> Result<Option<String>> {
    Ok(match layer.operation {
        Operation::Layer(AnyLayer::BatchNorm(_)) => {
            Some(format!("{}.num_batches_tracked", module_name(&layer.name)?))
        }
        _ => None,
    })
}

/// A branch is a module with modules in it, and no name of a module has a dot.
fn module_name(layer: &str) -> Result<String> {
    let modules: Vec<String> = layer
        .split('/')
        .map(|module| module.replace('.', "_"))
        .collect();
    if modules.iter().any(String::is_empty) {
        return Err(Error::Invalid(format!(
            "layer {layer:?}: each module of PyTorch needs a name; give the layer one, or use save_weights"
        )));
    }
    Ok(modules.join("."))
}
