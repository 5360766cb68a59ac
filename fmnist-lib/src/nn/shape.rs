//! Shapes that layers take and give.

use candle_core::Tensor;

use crate::error::{Error, Result};

/// Height, width and channels of an image-shaped input, or an error that names the layer.
pub(super) fn image_shape(layer: &str, input: &[usize]) -> Result<(usize, usize, usize)> {
    match *input {
        [height, width, channels] => Ok((height, width, channels)),
        _ => Err(Error::Invalid(format!(
            "{layer} needs an input of (height, width, channels), but gets {input:?}"
        ))),
    }
}

/// Refuses a layer of nothing, as Keras does: `setting` is what the user has called 0.
pub(super) fn at_least_one(setting: &str, value: usize) -> Result<()> {
    match value {
        0 => Err(Error::Invalid(format!(
            "{setting} must be at least 1, not 0"
        ))),
        _ => Ok(()),
    }
}

/// Number of values of a shape, or the largest number there is.
pub(crate) fn product(shape: &[usize]) -> usize {
    (shape.iter()).fold(1, |all: usize, side| all.saturating_mul(*side))
}

/// The shape of one input of a batch, as [`Layer::output_shape`](super::Layer::output_shape) takes it.
pub(super) fn without_batch(batch: &Tensor) -> &[usize] {
    batch.dims().get(1..).unwrap_or_default()
}

/// Refuses what would divide by 0 where a variance is 0.
pub(super) fn check_epsilon(layer: &str, epsilon: f64) -> Result<()> {
    match epsilon.is_finite() && epsilon as f32 > 0.0 {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "the epsilon of {layer} is a small positive number (0.001 is usual), not {epsilon}"
        ))),
    }
}
