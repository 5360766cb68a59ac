//! Both passes where the transformed weights are many megabytes: point by point.
//!
//! Elsewhere a task takes some images through all points: it reads the weights of all of them, and adds to the
//! gradients of all of them. Where these fill no cache, each point is a task instead: its matrices are read once for
//! all images, and its gradient is added up in one place. The images are transformed before, and back after.

mod backward;
mod forward;

pub(super) use backward::backward;
pub(super) use forward::forward;

use super::tiles::Tiles;
use super::{Conv, forward::transform};
use crate::simd::Isa;
use rayon::prelude::*;

/// Tiles of a chunk, which a task transforms, at least and at most.
const CHUNK: [usize; 2] = [32, 128];
/// Chunks of a slab, whose products are kept together.
const CHUNKS: usize = 8;

/// How a batch is cut.
#[derive(Clone, Copy)]
struct Cut {
    conv: Conv,
    /// Images of a chunk; the last one may have fewer.
    images: usize,
}

/// The matrices of a point, of all chunks: those of the inputs and those of the outputs.
type Matrices<'a> = Vec<(&'a mut [f32], &'a mut [f32])>;

impl Cut {
    fn new(conv: Conv, n: usize) -> Self {
        let tiles = Tiles::new(&conv, 1).count;
        let chunk = (n * tiles / CHUNKS).clamp(CHUNK[0], CHUNK[1]);
        let images = (chunk / tiles).max(1);
        Self { conv, images }
    }

    /// Images of a slab; the last one may have fewer.
    fn slab(self) -> usize {
        CHUNKS * self.images
    }

    /// Floats of a chunk's input and output.
    fn chunk_len(self) -> [usize; 2] {
        [self.conv.input_len(), self.conv.output_len()].map(|len| self.images * len)
    }

    /// The tiles of each chunk of a slab of `n` images.
    fn chunks(self, n: usize) -> Vec<Tiles> {
        let chunks = (0..n).step_by(self.images);
        let images = chunks.map(|first| self.images.min(n - first));
        images
            .map(|images| Tiles::new(&self.conv, images))
            .collect()
    }

    /// Floats for the tiles of a slab, of a batch of `n` images: of the inputs and of the outputs.
    fn work(self, n: usize) -> [usize; 2] {
        let chunks = self.chunks(n.min(self.slab()));
        [Tiles::input_len, Tiles::output_len].map(|len| chunks.iter().map(len).sum())
    }

    /// Transforms the inputs of a slab.
    fn transform(self, isa: Isa, chunks: &[Tiles], x: &[f32], v: &mut [f32]) {
        let images = x.par_chunks(self.chunk_len()[0]);
        let tasks = images.zip(by_chunk(v, chunks, Tiles::input_len));
        tasks
            .zip(chunks)
            .for_each(|((x, v), &tiles)| transform(isa, self.conv, tiles, x, v));
    }
}

/// The part of each chunk.
fn by_chunk<'a>(
    mut memory: &'a mut [f32],
    chunks: &[Tiles],
    len: fn(&Tiles) -> usize,
) -> Vec<&'a mut [f32]> {
    let parts = chunks.iter().map(|tiles| {
        let (part, rest) = std::mem::take(&mut memory).split_at_mut(len(tiles));
        memory = rest;
        part
    });
    parts.collect()
}

/// The matrices of each point.
fn by_point<'a>(v: &'a mut [f32], m: &'a mut [f32], chunks: &[Tiles]) -> Vec<Matrices<'a>> {
    let mut points: Vec<Matrices<'a>> = Vec::new();
    points.resize_with(chunks[0].algorithm.points(), Vec::new);
    let v = by_chunk(v, chunks, Tiles::input_len);
    let m = by_chunk(m, chunks, Tiles::output_len);
    for (tiles, (v, m)) in chunks.iter().zip(v.into_iter().zip(m)) {
        for (point, matrices) in points.iter_mut().zip(tiles.points_of(v, m)) {
            point.push(matrices);
        }
    }
    points
}
