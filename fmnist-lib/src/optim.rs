//! Adam, as Keras defines it.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Tensor, Var};
use rayon::prelude::*;

use crate::Result;

/// Decay of the mean of gradients (Keras's default).
const BETA_1: f64 = 0.9;
/// Decay of the mean of squared gradients (Keras's default).
const BETA_2: f64 = 0.999;
/// Keras's `epsilon`, added to the uncorrected root: the paper's "epsilon hat".
const EPSILON: f64 = 1e-7;

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

    /// One step down the gradients. A weight without a gradient stays as it is.
    pub(crate) fn step<'a>(
        &mut self,
        weights: impl Iterator<Item = &'a Var>,
        gradients: &[Option<Tensor>],
        learning_rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let steps = self.steps as i32;
        let rate = learning_rate * (1.0 - BETA_2.powi(steps)).sqrt() / (1.0 - BETA_1.powi(steps));
        for ((weight, gradient), Moments { mean, square }) in
            weights.zip(gradients).zip(&mut self.moments)
        {
            let Some(gradient) = gradient else { continue };
            let gradient = gradient.contiguous()?;
            if super::nn::on_cpu_in_f32(&[weight, &gradient]) {
                mean.inplace_op2(
                    &gradient,
                    &Decay {
                        beta: BETA_1 as f32,
                        squared: false,
                    },
                )?;
                square.inplace_op2(
                    &gradient,
                    &Decay {
                        beta: BETA_2 as f32,
                        squared: true,
                    },
                )?;
                weight.inplace_op3(mean, square, &Update { rate: rate as f32 })?;
            } else {
                *mean = ((&*mean * BETA_1)? + (&gradient * (1.0 - BETA_1))?)?.detach();
                *square = ((&*square * BETA_2)? + (gradient.sqr()? * (1.0 - BETA_2))?)?.detach();
                let step = (&*mean / (square.sqrt()? + EPSILON)?)?;
                weight.set(&(weight.as_tensor() - (step * rate)?)?)?;
            }
        }
        Ok(())
    }
}

/// Values per task: fixed, and large enough that small weights stay on one thread.
const STRETCH: usize = 1 << 15;

/// `mean = beta · mean + (1 - beta) · gradient`, or its square.
struct Decay {
    beta: f32,
    squared: bool,
}

impl InplaceOp2 for Decay {
    fn name(&self) -> &'static str {
        "adam-decay"
    }

    fn cpu_fwd(
        &self,
        mean: &mut CpuStorage,
        mean_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let gradient = values(gradient, gradient_layout)?;
        let fresh = 1.0 - self.beta;
        values_mut(mean, mean_layout)?
            .par_chunks_mut(STRETCH)
            .zip(gradient.par_chunks(STRETCH))
            .for_each(|(mean, gradient)| {
                for (mean, &gradient) in mean.iter_mut().zip(gradient) {
                    let gradient = if self.squared {
                        gradient * gradient
                    } else {
                        gradient
                    };
                    *mean = self.beta * *mean + fresh * gradient;
                }
            });
        Ok(())
    }
}

/// `weight -= rate · mean / (sqrt(square) + epsilon)`
struct Update {
    rate: f32,
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adam-update"
    }

    fn cpu_fwd(
        &self,
        weight: &mut CpuStorage,
        weight_layout: &Layout,
        mean: &CpuStorage,
        mean_layout: &Layout,
        square: &CpuStorage,
        square_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (mean, square) = (values(mean, mean_layout)?, values(square, square_layout)?);
        values_mut(weight, weight_layout)?
            .par_chunks_mut(STRETCH)
            .zip(mean.par_chunks(STRETCH).zip(square.par_chunks(STRETCH)))
            .for_each(|(weight, (mean, square))| {
                for (weight, (mean, square)) in weight.iter_mut().zip(mean.iter().zip(square)) {
                    *weight -= self.rate * mean / (square.sqrt() + EPSILON as f32);
                }
            });
        Ok(())
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let (start, end) = whole(layout)?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

fn values_mut<'a>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a mut [f32]> {
    let (start, end) = whole(layout)?;
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        _ => candle_core::bail!("Adam keeps its moments in f32"),
    }
}

fn whole(layout: &Layout) -> candle_core::Result<(usize, usize)> {
    layout
        .contiguous_offsets()
        .ok_or_else(|| candle_core::Error::Msg("Adam needs contiguous weights".into()))
}
