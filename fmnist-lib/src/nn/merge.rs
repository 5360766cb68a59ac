//! Where branches of a network meet.

use candle_core::Tensor;
use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Activation, AnyLayer, Operation};
use crate::error::{Error, Result};

/// What becomes of the outputs of several branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Merge {
    /// `keras.layers.Add`: their sum, value by value.
    Add,
    /// `keras.layers.Concatenate`: their channels side by side.
    Concatenate,
}

impl Merge {
    /// The Keras class name.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Concatenate => "Concatenate",
        }
    }

    pub(crate) fn output_shape(self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        let [first, others @ ..] = inputs else {
            return Err(Error::Invalid(
                "there are no branches to bring together".into(),
            ));
        };
        let refused = |other: &&[usize], what: &str| {
            Error::Invalid(format!(
                "its branches give {first:?} and {other:?}, but {} needs {what}",
                self.kind()
            ))
        };
        match self {
            Self::Add => match others.iter().find(|other| *other != first) {
                Some(other) => Err(refused(other, "the same shape from each")),
                None => Ok(first.to_vec()),
            },
            Self::Concatenate => {
                let pixels = |shape: &[usize]| shape[..shape.len().saturating_sub(1)].to_vec();
                let mut shape = first.to_vec();
                for other in others {
                    if pixels(other) != pixels(first) || other.len() != first.len() {
                        return Err(refused(other, "the same shape but for the channels"));
                    }
                    if let (Some(all), Some(more)) = (shape.last_mut(), other.last()) {
                        *all = all.saturating_add(*more);
                    }
                }
                Ok(shape)
            }
        }
    }

    pub(crate) fn forward(self, inputs: &[Tensor]) -> Result<Tensor> {
        match self {
            Self::Add => {
                let mut sum = inputs[0].clone();
                for more in &inputs[1..] {
                    sum = (sum + more)?;
                }
                Ok(sum)
            }
            Self::Concatenate => Ok(Tensor::cat(inputs, inputs[0].rank() - 1)?),
        }
    }

    pub(crate) fn stage(self, place: &Place<'_>) -> Staged {
        match self {
            Self::Add => {
                let relu = match place.followers.first() {
                    Some((_, Operation::Layer(AnyLayer::Activation(next)))) => {
                        *next == Activation::Relu
                    }
                    _ => false,
                };
                Staged {
                    stage: Box::new(Sum { relu }),
                    followers: usize::from(relu),
                }
            }
            Self::Concatenate => {
                let channels = |shape: &&[usize]| shape.last().copied().unwrap_or(1);
                Staged::alone(SideBySide(place.inputs.iter().map(channels).collect()))
            }
        }
    }
}

#[derive(Debug)]
struct Sum {
    /// Whether it computes the ReLU behind it too.
    relu: bool,
}

/// The channels of each input.
#[derive(Debug)]
struct SideBySide(Vec<usize>);

impl Stage for Sum {
    fn kernel(&self) -> &'static str {
        "sum"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        kernels::sum(pass.inputs, self.relu, pass.output);
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        self.relu
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        let [first, others @ ..] = pass.of_inputs else {
            return Ok(());
        };
        if self.relu {
            Activation::Relu.return_gradient(pass.isa, &[], pass.output, pass.gradient);
        }
        for other in others {
            kernels::sum(&[pass.gradient], false, other);
        }
        std::mem::swap(first, pass.gradient);
        Ok(())
    }
}

impl Stage for SideBySide {
    fn kernel(&self) -> &'static str {
        "copies"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        kernels::concatenate(pass.inputs, &self.0, pass.output);
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        kernels::split(pass.gradient, &self.0, pass.of_inputs);
        Ok(())
    }
}
