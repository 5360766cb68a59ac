//! The mean of what a function makes of each number and its target, in one pass, and its gradient in another.

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::error::Result;
use crate::nn::{contiguous, f32_slices, on_cpu_in_f32};

/// A loss of one number, and its derivative.
#[derive(Clone, Copy)]
pub(super) struct MeanOf {
    pub(super) value: fn(f32, f32) -> f32,
    pub(super) slope: fn(f32, f32) -> f32,
}

/// Numbers that one parallel task takes: partial sums do not depend on the number of threads.
const PIECE: usize = 1 << 13;

impl MeanOf {
    /// Of `outputs` and `targets`; `None` on another device than the CPU, in another type than `f32`, and where the two
    /// are of different shapes.
    pub(super) fn apply(self, outputs: &Tensor, targets: &Tensor) -> Option<Result<Tensor>> {
        let fits = on_cpu_in_f32(&[outputs, targets]) && outputs.dims() == targets.dims();
        fits.then(|| {
            let outputs = outputs.contiguous()?;
            Ok(outputs.apply_op2(&targets.contiguous()?, self)?)
        })
    }
}

impl CustomOp2 for MeanOf {
    fn name(&self) -> &'static str {
        "mean-of"
    }

    fn cpu_fwd(
        &self,
        outputs: &CpuStorage,
        of_outputs: &Layout,
        targets: &CpuStorage,
        of_targets: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let outputs = contiguous(outputs, of_outputs)?;
        let targets = contiguous(targets, of_targets)?;
        let pieces = outputs.par_chunks(PIECE).zip(targets.par_chunks(PIECE));
        let sums = pieces.map(|(outputs, targets)| {
            let values = outputs.iter().zip(targets);
            values.map(|(&y, &t)| f64::from((self.value)(y, t))).sum()
        });
        let sums: Vec<f64> = sums.collect();
        let mean = sums.iter().sum::<f64>() / outputs.len() as f64;
        Ok((CpuStorage::F32(vec![mean as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        outputs: &Tensor,
        targets: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let share = gradient.to_scalar::<f32>()? / outputs.elem_count() as f32;
        let mut slopes = vec![0.0; outputs.elem_count()];
        f32_slices(&[outputs, targets], |slices| {
            let pieces = slices[0].par_chunks(PIECE).zip(slices[1].par_chunks(PIECE));
            let all = slopes.par_chunks_mut(PIECE).zip(pieces);
            all.for_each(|(slopes, (outputs, targets))| {
                for ((slope, &y), &t) in slopes.iter_mut().zip(outputs).zip(targets) {
                    *slope = share * (self.slope)(y, t);
                }
            });
        })?;
        let slopes = Tensor::from_vec(slopes, outputs.shape(), outputs.device())?;
        Ok((Some(slopes), None))
    }
}
