//! Initial values of weights, by Keras's definitions.

use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a weight starts (`keras.initializers`). `fan_in` and `fan_out` are the numbers of inputs and
/// outputs that one value is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Init {
    /// All 0: biases.
    Zeros,
    /// All 1.
    Ones,
    /// Uniform within `±sqrt(6 / (fan_in + fan_out))` (Glorot & Bengio, 2010): Keras's default.
    GlorotUniform,
    /// Normal with variance `2 / (fan_in + fan_out)` (Glorot & Bengio, 2010): "Xavier".
    GlorotNormal,
    /// Uniform within `±sqrt(6 / fan_in)` (He et al., 2015).
    HeUniform,
    /// Normal with variance `2 / fan_in` (He et al., 2015).
    HeNormal,
    /// Uniform within `±sqrt(3 / fan_in)` (LeCun et al., 1998).
    LecunUniform,
    /// Normal with variance `1 / fan_in` (LeCun et al., 1998); what SELU needs.
    LecunNormal,
    /// PyTorch's default for convolutions and dense layers: kernel and bias uniform within
    /// `±sqrt(1 / fan_in)`.
    Torch,
    /// Normal, around 0. Keras's deviation is 0.05.
    Normal {
        /// The deviation, 0 or more.
        stddev: f64,
    },
    /// Uniform, around 0. Keras's limit is 0.05.
    Uniform {
        /// No value is further from 0; 0 or more.
        limit: f64,
    },
}

/// Deviation of a standard normal cut at ±2, by which Keras divides.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

impl Init {
    /// How the bias of a layer starts whose kernel has `shape` and starts in this way.
    pub(crate) fn of_bias(self, shape: &[usize]) -> Self {
        match self {
            Self::Torch => Self::Uniform {
                limit: (1.0 / fans(shape).0.max(1.0)).sqrt(),
            },
            _ => Self::Zeros,
        }
    }

    /// Draws the values of a weight of `shape`, last dimension fastest.
    pub(crate) fn draw(self, shape: &[usize], random: &mut impl Rng) -> Vec<f32> {
        let count = shape.iter().product();
        let (fan_in, fan_out) = fans(shape);
        let (inputs, both) = (fan_in.max(1.0), (fan_in + fan_out).max(2.0));
        match self {
            Self::Zeros => vec![0.0; count],
            Self::Ones => vec![1.0; count],
            Self::GlorotUniform => uniform((6.0 / both).sqrt(), count, random),
            Self::GlorotNormal => truncated_normal((2.0 / both).sqrt(), count, random),
            Self::HeUniform => uniform((6.0 / inputs).sqrt(), count, random),
            Self::HeNormal => truncated_normal((2.0 / inputs).sqrt(), count, random),
            Self::LecunUniform => uniform((3.0 / inputs).sqrt(), count, random),
            Self::LecunNormal => truncated_normal((1.0 / inputs).sqrt(), count, random),
            Self::Torch => uniform((1.0 / inputs).sqrt(), count, random),
            Self::Normal { stddev } => {
                let normal = Normal::new(0.0, 1.0).expect("a deviation of 1 is valid");
                let values = normal.sample_iter(random).take(count);
                values.map(|z: f64| (z * stddev) as f32).collect()
            }
            Self::Uniform { limit } => uniform(limit, count, random),
        }
    }

    /// # Errors
    /// When a number of its own cannot work.
    pub(crate) fn check(self) -> Result<()> {
        let (Self::Normal { stddev: spread } | Self::Uniform { limit: spread }) = self else {
            return Ok(());
        };
        match spread.is_finite() && spread >= 0.0 && (spread as f32).is_finite() {
            true => Ok(()),
            false => Err(Error::Invalid(format!(
                "the spread of initial weights is 0 or more (0.05 is usual), not {spread}"
            ))),
        }
    }
}

fn uniform(limit: f64, count: usize, random: &mut impl Rng) -> Vec<f32> {
    let limit = limit as f32;
    let uniform = Uniform::new_inclusive(-limit, limit).expect("the limit is finite");
    uniform.sample_iter(random).take(count).collect()
}

/// Cut at two deviations, and widened to have `deviation` for all that: what Keras draws from.
fn truncated_normal(deviation: f64, count: usize, random: &mut impl Rng) -> Vec<f32> {
    let normal = Normal::new(0.0, 1.0).expect("a deviation of 1 is valid");
    let deviation = deviation / TRUNCATED_DEVIATION;
    let within = normal.sample_iter(random).filter(|z: &f64| z.abs() <= 2.0);
    within.take(count).map(|z| (z * deviation) as f32).collect()
}

/// Inputs and outputs that one value is connected to, by Keras's `compute_fans`: the last two
/// dimensions, times the window; the only dimension counts as both.
fn fans(shape: &[usize]) -> (f64, f64) {
    let (window, inputs, outputs) = match shape {
        [] => (&[][..], 1, 1),
        [units] => (&[][..], *units, *units),
        [window @ .., inputs, outputs] => (window, *inputs, *outputs),
    };
    let window: usize = window.iter().product();
    ((window * inputs) as f64, (window * outputs) as f64)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::{Init, fans};

    /// The cases of `compute_fans` in keras/src/initializers/random_initializers.py.
    #[test]
    fn fans_are_those_of_keras() {
        assert_eq!(fans(&[]), (1.0, 1.0));
        assert_eq!(fans(&[64]), (64.0, 64.0));
        assert_eq!(fans(&[784, 32]), (784.0, 32.0));
        assert_eq!(fans(&[5, 16, 32]), (80.0, 160.0));
        assert_eq!(fans(&[3, 3, 32, 64]), (288.0, 576.0));
    }

    #[test]
    fn the_spread_of_weights_follows_the_fans() {
        let largest = |init: Init, shape: &[usize]| {
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let values = init.draw(shape, &mut random);
            values
                .into_iter()
                .fold(0.0, |most: f32, v| most.max(v.abs()))
        };
        // Glorot: sqrt(6 / (64 + 64)). He: two deviations of sqrt(2 / 64), widened.
        let uniform = largest(Init::GlorotUniform, &[64]);
        assert!((0.19..0.2166).contains(&uniform), "{uniform}");
        let normal = largest(Init::HeNormal, &[4096]);
        assert!((0.045..0.0503).contains(&normal), "{normal}");
        // Keras takes fans of less than 1 for 1.
        assert!(largest(Init::GlorotUniform, &[]) <= 3.0_f32.sqrt());
        for init in [Init::GlorotUniform, Init::HeNormal, Init::Ones] {
            assert_eq!(largest(init, &[3, 0]), 0.0);
            assert_eq!(largest(init, &[0, 0]), 0.0);
        }
    }
}
