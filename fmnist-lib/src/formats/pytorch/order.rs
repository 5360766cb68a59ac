//! The order in which a PyTorch model has the values of a flat output.
//!
//! PyTorch has the channels of an image first, so that its `Flatten` gives the values in another order than ours.
//! Whatever reads them has its weights in that order there.

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::model::Placed;
use crate::nn::{AnyLayer, Merge, Operation, product};
use crate::plan::Source;

/// For each value in PyTorch's order, its place in ours; `None` where both orders are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order(Option<Vec<u32>>);

impl Order {
    pub(super) const OURS: Self = Self(None);

    /// Of an output of this shape, were it made flat.
    fn of_shape(shape: &[usize]) -> Self {
        match *shape {
            [height, width, channels] if channels > 1 && height * width > 1 => {
                let channel =
                    |first| (0..height * width).map(move |pixel| pixel * channels + first);
                let places = (0..channels).flat_map(channel).map(|place| place as u32);
                Self(Some(places.collect()))
            }
            _ => Self::OURS,
        }
    }

    /// Outputs side by side, each with its number of values.
    fn side_by_side(orders: &[Self], counts: &[usize]) -> Self {
        if orders.iter().all(|order| *order == Self::OURS) {
            return Self::OURS;
        }
        let mut places = Vec::new();
        for (order, &count) in orders.iter().zip(counts) {
            let first = places.len() as u32;
            match order {
                Self(Some(order)) => places.extend(order.iter().map(|place| first + place)),
                Self(None) => places.extend((0..count as u32).map(|place| first + place)),
            }
        }
        Self(Some(places))
    }

    /// Puts what lies along a dimension in our order into PyTorch's.
    pub(super) fn apply(&self, tensor: Tensor, dimension: usize) -> Result<Tensor> {
        match &self.0 {
            Some(places) => select(&tensor, dimension, places),
            None => Ok(tensor),
        }
    }

    /// The way back.
    pub(super) fn undo(&self, tensor: Tensor, dimension: usize) -> Result<Tensor> {
        let Some(places) = &self.0 else {
            return Ok(tensor);
        };
        let mut back = vec![0; places.len()];
        for (theirs, &ours) in (0..).zip(places) {
            back[ours as usize] = theirs;
        }
        select(&tensor, dimension, &back)
    }
}

fn select(tensor: &Tensor, dimension: usize, places: &[u32]) -> Result<Tensor> {
    let places = Tensor::new(places, tensor.device())?;
    Ok(tensor.contiguous()?.index_select(&places, dimension)?)
}

/// The orders of what a layer reads first, and of what it gives; ours where that is not flat.
pub(super) struct Orders {
    pub(super) input: Order,
    pub(super) output: Order,
}

/// Those of each layer of a network for images of a shape.
pub(super) fn orders(images: &[usize], layers: &[Placed<'_>]) -> Result<Vec<Orders>> {
    let wanted = wanted(layers);
    let mut orders: Vec<Orders> = Vec::new();
    for (layer, wanted) in layers.iter().zip(wanted) {
        let of_source = |source: &Source| match *source {
            Source::Layer(at) if layers[at].output_shape.len() == 1 => orders[at].output.clone(),
            _ => Order::OURS,
        };
        let inputs: Vec<Order> = layer.inputs.iter().map(of_source).collect();
        let first = match layer.inputs[0] {
            Source::Images => images,
            Source::Layer(at) => &layers[at].output_shape,
        };
        let is_flat = layer.output_shape.len() == 1;
        let output = match layer.operation {
            Operation::Layer(AnyLayer::Dense(_)) => wanted,
            Operation::Layer(AnyLayer::Flatten(_) | AnyLayer::Reshape(_)) => {
                let before = match first {
                    [_] => inputs[0].clone(),
                    image => Order::of_shape(image),
                };
                if !is_flat && before != Order::of_shape(&layer.output_shape) {
                    return Err(impossible(layer, "gives the values to other pixels"));
                }
                before
            }
            Operation::Merge(Merge::Add) if inputs.iter().any(|order| *order != inputs[0]) => {
                return Err(impossible(layer, "adds other values to each other"));
            }
            Operation::Merge(Merge::Concatenate) if is_flat => {
                let count = |source: &Source| match *source {
                    Source::Images => product(images),
                    Source::Layer(at) => product(&layers[at].output_shape),
                };
                let counts: Vec<usize> = layer.inputs.iter().map(count).collect();
                Order::side_by_side(&inputs, &counts)
            }
            _ => inputs[0].clone(),
        };
        let input = inputs[0].clone();
        orders.push(Orders { input, output });
    }
    Ok(orders)
}

/// A dense layer is free to give its values in any order. For each layer, that which a `Reshape` behind it needs.
fn wanted(layers: &[Placed<'_>]) -> Vec<Order> {
    let mut wanted = vec![Order::OURS; layers.len()];
    for (at, layer) in layers.iter().enumerate().rev() {
        let of_inputs = match layer.operation {
            Operation::Layer(AnyLayer::Reshape(_)) => Order::of_shape(&layer.output_shape),
            Operation::Layer(AnyLayer::Dense(_)) | Operation::Merge(Merge::Concatenate) => {
                Order::OURS
            }
            _ => wanted[at].clone(),
        };
        for source in &layer.inputs {
            if let Source::Layer(before) = *source
                && wanted[before] == Order::OURS
            {
                wanted[before] = of_inputs.clone();
            }
        }
    }
    wanted
}

fn impossible(layer: &Placed<'_>, what: &str) -> Error {
    Error::Invalid(format!(
        "layer {}: PyTorch has the channels first, and {what}, whatever the order of the weights; \
         save_weights writes them as they are",
        layer.name
    ))
}
