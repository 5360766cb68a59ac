//! Forward: all tiles of a slab to their points, the products of each point, all tiles back.

use super::{Cut, Matrices, by_chunk, by_point};
use crate::operands::Forward;
use crate::scratch;
use crate::simd::{Isa, Simd, kernel};
use crate::winograd::tiles::Tiles;
use crate::winograd::{Conv, forward, products};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A batch, by the transformed weights.
pub(in crate::winograd) fn forward(
    isa: Isa,
    conv: Conv,
    operands: Forward<'_>,
    y: &mut [MaybeUninit<f32>],
) {
    let n = operands.x.len() / conv.input_len();
    let cut = Cut::new(conv, n);
    let [input, output] = cut.work(n);
    scratch::with(input + output, |work| {
        let (v, m) = work.split_at_mut(input);
        let slabs = operands.x.chunks(cut.slab() * conv.input_len());
        let slabs = slabs.zip(y.chunks_mut(cut.slab() * conv.output_len()));
        for (i, (x, y)) in slabs.enumerate() {
            let chunks = cut.chunks(x.len() / conv.input_len());
            cut.transform(isa, &chunks, x, v);
            let points = by_point(v, m, &chunks).into_par_iter().enumerate();
            points.for_each(|(point, mut matrices)| {
                products_of(isa, conv, &chunks, operands.weights, point, &mut matrices);
            });
            outputs(isa, cut, &chunks, operands, (i, m, y));
        }
    });
}

kernel! {
    /// The products of a point.
    fn products_of => products_of_body(
        conv: Conv, chunks: &[Tiles], u: &[f32], point: usize, matrices: &mut Matrices<'_>,
    )
}

#[inline(always)]
fn products_of_body<S: Simd>(
    s: S,
    conv: Conv,
    chunks: &[Tiles],
    u: &[f32],
    point: usize,
    matrices: &mut Matrices<'_>,
) {
    for (tiles, (v, m)) in chunks.iter().zip(matrices) {
        products::forward(s, &conv, tiles, (u, point), v, m);
    }
}

/// The outputs of a slab, by its number, from its products.
fn outputs(
    isa: Isa,
    cut: Cut,
    chunks: &[Tiles],
    operands: Forward<'_>,
    (slab, m, y): (usize, &mut [f32], &mut [MaybeUninit<f32>]),
) {
    let conv = cut.conv;
    let pixels = conv.output_len() / conv.outputs;
    let images = y.par_chunks_mut(cut.chunk_len()[1]);
    let tasks = images.zip(by_chunk(m, chunks, Tiles::output_len));
    tasks
        .zip(chunks)
        .enumerate()
        .for_each(|(i, ((y, m), &tiles))| {
            let first = (slab * cut.slab() + i * cut.images) * pixels;
            let count = y.len() / conv.outputs;
            let operands = Forward {
                activation: operands.activation.pixels(first, count, conv.outputs),
                ..operands
            };
            forward::outputs(isa, conv, tiles, m, operands, y);
        });
}
