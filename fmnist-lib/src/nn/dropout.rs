use candle_core::{Shape, Tensor};
use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::ending::StageDropout;
use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass, Step};
use crate::error::{Error, Result};

/// `keras.layers.Dropout`: while training, sets a random fraction of the values to 0 and scales the
/// others up to keep the mean (Srivastava et al., 2014). Does nothing when evaluating.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    pub(crate) rate: f64,
}

impl Dropout {
    /// Drops the fraction `rate`, at least 0 and below 1.
    pub fn new(rate: f64) -> Self {
        Self { rate }
    }
}

impl Layer for Dropout {
    fn kind(&self) -> &str {
        "Dropout"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::Invalid(format!(
                "a dropout rate is at least 0 and below 1, not {}",
                self.rate
            )));
        }
        Ok(input.to_vec())
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], pass: &Pass<'_>) -> Result<Tensor> {
        match pass.step {
            Some(step) if self.rate > 0.0 && input.elem_count() > 0 => {
                let mask = mask(input.shape(), pass.layer, step, self.rate);
                let mask = Tensor::from_vec(mask, input.shape(), input.device())?;
                Ok((input * mask.to_dtype(input.dtype())?)?)
            }
            _ => Ok(input.clone()),
        }
    }
}

impl Dropout {
    /// Of its own, where the layer before it does not take it along.
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        Some(Staged::alone(StageDropout::new(
            place.name,
            self.rate,
            place.output,
        )))
    }
}

impl Stage for StageDropout {
    fn kernel(&self) -> &'static str {
        "vector loops"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        match pass.step {
            Some(step) => {
                self.draw(pass.images, step, &mut pass.kept.bits);
                let dropout = self.kept(&pass.kept.bits);
                dropout.apply(pass.isa, self.channels, pass.inputs[0], pass.output);
            }
            None => pass.inputs[0].clone_into(pass.output),
        }
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        let dropout = self.kept(&pass.kept.bits);
        dropout.apply(
            pass.isa,
            self.channels,
            pass.gradient,
            &mut pass.of_inputs[0],
        );
        Ok(())
    }
}

/// Draws which values of `pixels` groups of `channels` are kept: one bit each, set with probability
/// `1 - rate` (to within 2⁻¹⁶), `ceil(channels / 16)` words a group.
pub(crate) fn kept_bits(
    layer: &str,
    step: Step,
    rate: f64,
    [pixels, channels]: [usize; 2],
    kept: &mut Vec<u16>,
) {
    kept.resize(pixels * channels.div_ceil(16), 0);
    kernels::dropout_bits(kernels::Isa::best(), step.key(layer), 0, rate, kept);
}

/// 0 where a value is dropped, `1 / (1 - rate)` elsewhere.
fn mask(shape: &Shape, layer: &str, step: Step, rate: f64) -> Vec<f32> {
    let channels = shape.dims().last().copied().unwrap_or(1);
    let mut kept = Vec::new();
    kept_bits(
        layer,
        step,
        rate,
        [shape.elem_count() / channels, channels],
        &mut kept,
    );
    let scale = (1.0 / (1.0 - rate)) as f32;
    let bit = |words: &[u16], channel: usize| words[channel / 16] >> (channel % 16) & 1 == 1;
    kept.chunks(channels.div_ceil(16))
        .flat_map(|words| (0..channels).map(move |channel| bit(words, channel)))
        .map(|kept| if kept { scale } else { 0.0 })
        .collect()
}
