//! The memory that tiles are transformed to.

use super::Conv;
use super::transform::Algorithm;
use crate::gemm::row_stride;
use crate::simd::LANES;

/// How the transformed tiles of a few images lie in memory: `[points][tiles][channels]`, the
/// tiles of an image in row-major order.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) algorithm: Algorithm,
    /// Tiles along the columns and rows of an image.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Tiles of all images.
    pub(super) count: usize,
    /// Floats between two tiles.
    pub(super) input_row: usize,
    pub(super) output_row: usize,
}

impl Tiles {
    pub(super) fn new(conv: &Conv, images: usize) -> Self {
        let algorithm = conv.algorithm();
        let (rows, columns) = conv.output_size();
        let output = algorithm.output();
        let (down, across) = (rows.div_ceil(output), columns.div_ceil(output));
        Self {
            algorithm,
            across,
            down,
            count: images * down * across,
            input_row: row_stride(conv.inputs),
            output_row: row_stride(conv.outputs),
        }
    }

    /// Floats between two points; a vector more than needed, or the places that a tile's
    /// transform writes would compete for the same few sets of the cache.
    pub(super) fn input_point(&self) -> usize {
        self.count * self.input_row + LANES
    }

    pub(super) fn output_point(&self) -> usize {
        self.count * self.output_row + LANES
    }

    pub(super) fn input_len(&self) -> usize {
        self.algorithm.points() * self.input_point()
    }

    pub(super) fn output_len(&self) -> usize {
        self.algorithm.points() * self.output_point()
    }

    pub(super) fn len(&self) -> usize {
        self.input_len() + self.output_len()
    }

    /// The matrices of each point.
    pub(super) fn points_of<'a>(
        &self,
        v: &'a mut [f32],
        m: &'a mut [f32],
    ) -> impl Iterator<Item = (&'a mut [f32], &'a mut [f32])> {
        let (input, output) = (self.input_point(), self.output_point());
        v.chunks_exact_mut(input).zip(m.chunks_exact_mut(output))
    }

    /// Image, row and column of a tile's corner in the output and, the same, in the input.
    #[inline(always)]
    pub(super) fn corner(&self, tile: usize) -> (usize, usize, usize) {
        let per_image = self.down * self.across;
        let (image, within) = (tile / per_image, tile % per_image);
        let output = self.algorithm.output();
        (
            image,
            within / self.across * output,
            within % self.across * output,
        )
    }
}

/// Working memory for the tiles of a few images.
pub(super) struct Work<'a> {
    /// Of the input, then of its gradient.
    pub(super) v: &'a mut [f32],
    /// Of the output, or of its gradient.
    pub(super) m: &'a mut [f32],
}

impl<'a> Work<'a> {
    pub(super) fn new(tiles: &Tiles, memory: &'a mut [f32]) -> Self {
        let (v, m) = memory.split_at_mut(tiles.input_len());
        let m = &mut m[..tiles.output_len()];
        Self { v, m }
    }
}
