//! Initial values of weights, by Keras's definitions.

use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};
use serde::{Deserialize, Serialize};

/// How a weight starts (`keras.initializers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Init {
    /// All 0: biases.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform within `±sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio, 2010): Keras's default.
    GlorotUniform,
    /// Normal with variance `2 / fan_in`, cut at two deviations and widened to keep that variance
    /// (He et al., 2015).
    HeNormal,
}

/// Deviation of a standard normal cut at ±2, by which Keras divides.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl Init {
    /// Draws the values of a weight of `shape`, last dimension fastest.
    pub(crate) fn draw(self, shape: &[usize], random: &mut impl Rng) -> Vec<f32> {
        let count = shape.iter().product();
        let (fan_in, fan_out) = fans(shape);
        match self {
            Self::Zeros => vec![0.0; count],
            Self::Ones => vec![1.0; count],
            Self::GlorotUniform => {
                let limit = (6.0 / (fan_in + fan_out)).sqrt() as f32;
                let uniform = Uniform::new_inclusive(-limit, limit).expect("the limit is finite");
                uniform.sample_iter(random).take(count).collect()
            }
            Self::HeNormal => {
                let normal = Normal::new(0.0, 1.0).expect("a deviation of 1 is valid");
                let deviation = (2.0 / fan_in).sqrt() / TRUNCATED_DEVIATION;
                let within = normal.sample_iter(random).filter(|z: &f64| z.abs() <= 2.0);
                within.take(count).map(|z| (z * deviation) as f32).collect()
            }
        }
    }
}

/// Inputs and outputs that one value is connected to: the last two dimensions, times the window.
fn fans(shape: &[usize]) -> (f64, f64) {
    match shape {
        [window @ .., inputs, outputs] => {
            let window: usize = window.iter().product();
            ((window * inputs) as f64, (window * outputs) as f64)
        }
        _ => (1.0, 1.0),
    }
}
