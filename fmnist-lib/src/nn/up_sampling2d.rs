use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sliding::Pair;
use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass, at_least_one, image_shape};
use crate::error::Result;

/// `keras.layers.UpSampling2D`: repeats rows and columns ("nearest"), so that an image grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpSampling2d {
    pub(crate) size: Pair,
}

impl UpSampling2d {
    /// Repeats so many times, at least once: `2` doubles both sides.
    pub fn new(size: impl Into<Pair>) -> Self {
        Self { size: size.into() }
    }

    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let &[_, width, channels] = place.inputs[0] else {
            unreachable!("output_shape has refused it");
        };
        Some(Staged::alone(Repeat {
            size: self.size.0,
            width,
            channels,
        }))
    }
}

impl Layer for UpSampling2d {
    fn kind(&self) -> &str {
        "UpSampling2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (height, width, channels) = image_shape("UpSampling2d", input)?;
        for size in self.size.0 {
            at_least_one("the size of UpSampling2d", size)?;
        }
        let [down, across] = self.size.0;
        Ok(vec![
            height.saturating_mul(down),
            width.saturating_mul(across),
            channels,
        ])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let (batch, height, width, channels) = input.dims4()?;
        let [down, across] = self.size.0;
        let repeated = input
            .reshape(vec![batch, height, 1, width, 1, channels])?
            .broadcast_as(vec![batch, height, down, width, across, channels])?;
        Ok(repeated.reshape((batch, height * down, width * across, channels))?)
    }
}

#[derive(Debug)]
struct Repeat {
    size: [usize; 2],
    width: usize,
    channels: usize,
}

impl Repeat {
    /// Floats of a line of the input, and of the lines of the output that it becomes.
    fn lines(&self) -> (usize, usize) {
        let line = self.width * self.channels;
        (line, line * self.size[0] * self.size[1])
    }
}

impl Stage for Repeat {
    fn kernel(&self) -> &'static str {
        "copies"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        let (line, lines) = self.lines();
        let x = pass.inputs[0];
        pass.output.clear();
        pass.output
            .resize(x.len() * self.size[0] * self.size[1], 0.0);
        let lines = pass.output.par_chunks_mut(lines).zip(x.par_chunks(line));
        lines.for_each(|(lines, x)| {
            for to in lines.chunks_exact_mut(line * self.size[1]) {
                let pixels = to.chunks_exact_mut(self.channels * self.size[1]);
                for (to, pixel) in pixels.zip(x.chunks_exact(self.channels)) {
                    to.chunks_exact_mut(self.channels)
                        .for_each(|to| to.copy_from_slice(pixel));
                }
            }
        });
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        let (line, lines) = self.lines();
        let dx = &mut pass.of_inputs[0];
        dx.clear();
        dx.resize(pass.gradient.len() / (self.size[0] * self.size[1]), 0.0);
        let lines = dx.par_chunks_mut(line).zip(pass.gradient.par_chunks(lines));
        lines.for_each(|(dx, lines)| {
            for from in lines.chunks_exact(line * self.size[1]) {
                let pixels = from.chunks_exact(self.channels * self.size[1]);
                for (dx, from) in dx.chunks_exact_mut(self.channels).zip(pixels) {
                    for from in from.chunks_exact(self.channels) {
                        dx.iter_mut().zip(from).for_each(|(dx, from)| *dx += from);
                    }
                }
            }
        });
        Ok(())
    }
}
