//! Adam, as Keras defines it.

use candle_core::{Tensor, Var};

use crate::Result;
use crate::nn::kernels::{AdamSettings, Isa, adam_step};
use crate::nn::{f32_slice_mut, f32_slices, on_cpu_in_f32};

/// Moments of every weight and the number of steps taken (Kingma & Ba, 2015).
#[derive(Debug)]
pub(crate) struct Adam {
    pub(crate) steps: usize,
    pub(crate) moments: Vec<Moments>,
}

/// Running means for one weight, both of its shape.
#[derive(Debug)]
pub(crate) struct Moments {
    /// Of the gradient.
    pub(crate) mean: Tensor,
    /// Of its square.
    pub(crate) square: Tensor,
}

impl Adam {
    pub(crate) fn new<'a>(weights: impl Iterator<Item = &'a Var>) -> Result<Self> {
        let moments = weights.map(|weight| {
            Ok(Moments {
                mean: weight.zeros_like()?,
                square: weight.zeros_like()?,
            })
        });
        Ok(Self {
            steps: 0,
            moments: moments.collect::<Result<_>>()?,
        })
    }

    /// One step down the gradients, after kernels have shrunk by `decay` times the rate (Loshchilov &
    /// Hutter, 2019). A weight without a gradient stays as it is.
    pub(crate) fn step<'a>(
        &mut self,
        weights: impl Iterator<Item = &'a Var>,
        gradients: &[Option<Tensor>],
        learning_rate: f64,
        decay: f64,
    ) -> Result<()> {
        self.steps += 1;
        let settings = AdamSettings {
            learning_rate,
            ..AdamSettings::default()
        };
        for ((weight, gradient), moments) in weights.zip(gradients).zip(&mut self.moments) {
            let Some(gradient) = gradient else { continue };
            // What has one dimension, biases and scales, sets a level: its size is no complexity.
            if decay > 0.0 && weight.rank() > 1 {
                weight.set(&(weight.as_tensor() * (1.0 - learning_rate * decay))?)?;
            }
            if on_cpu_in_f32(&[weight, gradient]) {
                let Moments { mean, square } = moments;
                f32_slices(&[gradient], |slices| {
                    f32_slice_mut(weight, |p| {
                        f32_slice_mut(mean, |m| {
                            f32_slice_mut(square, |v| {
                                adam_step(
                                    Isa::best(),
                                    &settings,
                                    self.steps as u64,
                                    p,
                                    m,
                                    v,
                                    slices[0],
                                );
                            })
                        })
                    })
                })????;
            } else {
                moments.step(weight, gradient, &settings, self.steps as i32)?;
            }
        }
        Ok(())
    }
}

impl Moments {
    /// The same by Candle's operations, for other devices and types.
    fn step(
        &mut self,
        weight: &Var,
        gradient: &Tensor,
        settings: &AdamSettings,
        steps: i32,
    ) -> Result<()> {
        let AdamSettings {
            learning_rate,
            beta1,
            beta2,
            epsilon,
        } = *settings;
        let rate = learning_rate * (1.0 - beta2.powi(steps)).sqrt() / (1.0 - beta1.powi(steps));
        self.mean = ((&self.mean * beta1)? + (gradient * (1.0 - beta1))?)?.detach();
        self.square = ((&self.square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?.detach();
        let step = (&self.mean / (self.square.sqrt()? + epsilon)?)?;
        weight.set(&(weight.as_tensor() - (step * rate)?)?)?;
        Ok(())
    }
}
