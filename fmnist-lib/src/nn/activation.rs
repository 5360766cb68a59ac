use std::f64::consts::FRAC_1_SQRT_2;

use candle_core::Tensor;
use fmnist_kernels::{self as kernels, Curve, Isa};
use serde::{Deserialize, Serialize};

use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass};
use crate::error::{Error, Result};

/// `keras.activations`: what becomes of each value. A part of other layers, by their `activation`, or
/// a layer of its own (`keras.layers.Activation`), as behind [`ModelSpec::add`](crate::ModelSpec::add).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// Nothing: `x`.
    #[default]
    Linear,
    /// `max(x, 0)`; its gradient at exactly 0 is 0, as in TensorFlow.
    Relu,
    /// `x` above 0, `negative_slope * x` elsewhere. Keras's layer takes 0.3, PyTorch's 0.01.
    LeakyRelu {
        /// The slope below 0, a finite number.
        negative_slope: f64,
    },
    /// `x` above 0, `exp(x) - 1` elsewhere (Clevert et al., 2016).
    Elu,
    /// `1.0507 x` above 0, `1.7581 (exp(x) - 1)` elsewhere (Klambauer et al., 2017).
    Selu,
    /// `x Φ(x)` with the normal distribution's Φ, not its approximation by tanh (Hendrycks & Gimpel,
    /// 2016): the default of Keras and PyTorch.
    Gelu,
    /// `x sigmoid(x)`, also called swish (Ramachandran et al., 2017).
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// The activations that have no number of their own, by Keras's names, the usual one first.
const NAMES: [(&str, Activation); 9] = [
    ("linear", Activation::Linear),
    ("relu", Activation::Relu),
    ("elu", Activation::Elu),
    ("selu", Activation::Selu),
    ("gelu", Activation::Gelu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
];

impl Activation {
    /// Keras's name; none for a leaky ReLU, whose slope a name does not tell.
    pub(crate) fn name(self) -> Option<&'static str> {
        let found = NAMES.iter().find(|(_, other)| *other == self);
        found.map(|(name, _)| *name)
    }

    /// The activation that Keras calls so.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, activation)| *activation)
    }

    /// By Candle's operations.
    pub(super) fn apply(self, x: Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Linear => x,
            // Candle's own `relu` passes the gradient on at exactly 0.
            Self::Relu => (&x * above_zero(&x)?)?,
            Self::LeakyRelu { negative_slope } => {
                let slope = above_zero(&x)?.affine(1.0 - negative_slope, negative_slope)?;
                (x * slope)?
            }
            Self::Elu => elu(&x, 1.0)?,
            Self::Selu => (elu(&x, SELU_ALPHA)? * SELU_SCALE)?,
            // Candle's own `gelu_erf` has a gradient of six digits.
            Self::Gelu => (&x * (&x * FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?)?,
            Self::Silu => (&x * candle_nn::ops::sigmoid(&x)?)?,
            Self::Sigmoid => candle_nn::ops::sigmoid(&x)?,
            Self::Tanh => x.tanh()?,
        })
    }

    /// Whether a kernel applies it to its sums by itself.
    pub(super) fn is_fused(self) -> bool {
        matches!(self, Self::Linear | Self::Relu)
    }

    /// As a kernel computes it; none where nothing is to be done.
    fn curve(self) -> Option<Curve> {
        Some(match self {
            Self::Linear => return None,
            Self::Relu => Curve::Relu,
            Self::LeakyRelu { negative_slope } => Curve::LeakyRelu(negative_slope as f32),
            Self::Elu => Curve::Elu,
            Self::Selu => Curve::Selu,
            Self::Gelu => Curve::Gelu,
            Self::Silu => Curve::Silu,
            Self::Sigmoid => Curve::Sigmoid,
            Self::Tanh => Curve::Tanh,
        })
    }

    /// Whether its slope needs `x`, and does not follow from the value alone.
    pub(super) fn needs_sums(self) -> bool {
        self.curve().is_some_and(Curve::needs_sums)
    }

    /// Replaces each `x`.
    pub(super) fn replace(self, isa: Isa, values: &mut [f32]) {
        if let Some(curve) = self.curve() {
            curve.apply(isa, values);
        }
    }

    /// Makes `y` the value of each `x`.
    pub(super) fn values(self, isa: Isa, x: &[f32], y: &mut Vec<f32>) {
        match self.curve() {
            Some(curve) => curve.forward(isa, x, y),
            None => kernels::sum(&[x], false, y),
        }
    }

    /// Makes the gradient of each `x` from that of its value `y`. `x` may be anything unless
    /// [`needs_sums`](Self::needs_sums).
    pub(super) fn return_gradient(self, isa: Isa, x: &[f32], y: &[f32], gradient: &mut [f32]) {
        if let Some(curve) = self.curve() {
            curve.backward(isa, x, y, gradient);
        }
    }
}

/// 1 or 0, without a gradient.
fn above_zero(x: &Tensor) -> candle_core::Result<Tensor> {
    x.gt(0.0)?.to_dtype(x.dtype())
}

fn elu(x: &Tensor, alpha: f64) -> candle_core::Result<Tensor> {
    let above = above_zero(x)?;
    // Above 0 the exponential, which could be infinite, is that of 0.
    let negative = (x * above.affine(-1.0, 1.0)?)?;
    (x * above)? + negative.exp()?.affine(alpha, -alpha)?
}

impl Layer for Activation {
    fn kind(&self) -> &str {
        match self {
            Self::Relu => "ReLU",
            Self::LeakyRelu { .. } => "LeakyReLU",
            Self::Elu => "ELU",
            _ => "Activation",
        }
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        match self {
            Self::LeakyRelu { negative_slope } if !negative_slope.is_finite() => {
                Err(Error::Invalid(format!(
                    "the slope of LeakyRelu must be a finite number, not {negative_slope}"
                )))
            }
            _ => Ok(input.to_vec()),
        }
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        self.apply(input.clone())
    }
}

impl Activation {
    pub(super) fn stage(&self, _: &Place<'_>) -> Option<Staged> {
        Some(Staged::alone(*self))
    }
}

impl Stage for Activation {
    fn kernel(&self) -> &'static str {
        "vector loops"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        self.values(pass.isa, pass.inputs[0], pass.output);
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        self.needs_sums()
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        self.return_gradient(pass.isa, pass.inputs[0], pass.output, pass.gradient);
        std::mem::swap(&mut pass.of_inputs[0], pass.gradient);
        Ok(())
    }
}
