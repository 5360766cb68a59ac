use candle_core::{Shape, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Layer, Pass};
use crate::{Error, Result};

/// `keras.layers.Dropout`: while training, sets a random fraction of the values to 0 and scales the
/// others up to keep the mean (Srivastava et al., 2014). Does nothing when evaluating.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    rate: f64,
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
        match pass.random() {
            Some(random) if self.rate > 0.0 => {
                let mask = mask(input.shape(), self.rate, &random);
                let mask = Tensor::from_vec(mask, input.shape(), input.device())?;
                Ok((input * mask.to_dtype(input.dtype())?)?)
            }
            _ => Ok(input.clone()),
        }
    }
}

/// Values per stretch of random numbers: fixed, so that the mask does not depend on the threads.
const STRETCH: usize = 1 << 14;

/// 0 with probability `rate` (to within 2⁻¹⁶), `1 / (1 - rate)` otherwise.
fn mask(shape: &Shape, rate: f64, random: &ChaCha8Rng) -> Vec<f32> {
    let threshold = (rate * 65_536.0).round() as u32;
    let kept = (1.0 / (1.0 - rate)) as f32;
    let mut mask = vec![0.0; shape.elem_count()];
    mask.par_chunks_mut(STRETCH)
        .enumerate()
        .for_each(|(index, stretch)| {
            let mut random = random.clone();
            random.set_word_pos((index * STRETCH / 2) as u128);
            for pair in stretch.chunks_mut(2) {
                let word = random.next_u32();
                let draws = [word & 0xffff, word >> 16];
                for (value, draw) in pair.iter_mut().zip(draws) {
                    *value = if draw < threshold { 0.0 } else { kept };
                }
            }
        });
    mask
}
