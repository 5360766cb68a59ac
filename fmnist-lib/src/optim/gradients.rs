//! What is done to gradients before a step.

use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::nn::f32_slices;

/// What is done to gradients that are too large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Clip {
    /// [`FitConfig::clip_norm`](crate::FitConfig::clip_norm): all together are shortened to this length.
    Norm(f64),
    /// [`FitConfig::clip_value`](crate::FitConfig::clip_value): each number is brought to this size.
    Value(f64),
}

impl Clip {
    pub(crate) fn apply(self, gradients: &mut [Option<Vec<f32>>]) {
        match self {
            Self::Norm(most) => {
                let squares = |values: &Vec<f32>| -> f64 {
                    values.iter().map(|&value| f64::from(value).powi(2)).sum()
                };
                let norm = gradients.iter().flatten().map(squares).sum::<f64>().sqrt();
                if norm > most {
                    let part = (most / norm) as f32;
                    gradients
                        .iter_mut()
                        .flatten()
                        .flatten()
                        .for_each(|value| *value *= part);
                }
            }
            Self::Value(most) => {
                let most = most as f32;
                let all = gradients.iter_mut().flatten().flatten();
                all.for_each(|value| *value = value.clamp(-most, most));
            }
        }
    }
}

/// Adds the derivative of `factor` times the squares of all kernels (`keras.regularizers.L2`).
pub(crate) fn add_l2<'a>(
    factor: f64,
    weights: impl Iterator<Item = &'a Var>,
    gradients: &mut [Option<Vec<f32>>],
) -> Result<()> {
    let twice = (2.0 * factor) as f32;
    for (weight, gradient) in weights.zip(gradients) {
        let Some(gradient) = gradient.as_mut().filter(|_| weight.rank() > 1) else {
            continue;
        };
        let here = weight.to_device(&Device::Cpu)?;
        f32_slices(&[&here], |slices| {
            let pairs = gradient.iter_mut().zip(slices[0]);
            pairs.for_each(|(gradient, weight)| *gradient += twice * weight);
        })?;
    }
    Ok(())
}

/// The values of a gradient, wherever it is.
pub(crate) fn to_host(gradient: &Tensor) -> Result<Vec<f32>> {
    Ok(gradient.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?)
}
