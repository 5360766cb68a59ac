//! Backward: all tiles of a slab to their points, the products of each point, all tiles and weights back.

use super::{Cut, Matrices, by_chunk, by_point};
use crate::operands::Backward;
use crate::scratch;
use crate::simd::{Isa, Simd, kernel};
use crate::winograd::tiles::Tiles;
use crate::winograd::{Conv, backward, products, weights};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// A batch, by the transformed weights: fills `dx` where there is one.
pub(in crate::winograd) fn backward(
    isa: Isa,
    conv: Conv,
    operands: Backward<'_>,
    mut dx: Option<&mut [MaybeUninit<f32>]>,
    [dweights, dbias]: [&mut Vec<f32>; 2],
) {
    let n = operands.x.len() / conv.input_len();
    let cut = Cut::new(conv, n);
    let [input, output] = cut.work(n);
    let point = weights::gradient_point(&conv);
    let sums = conv.algorithm().points() * point;
    dweights.clear();
    dweights.resize(conv.weights_len(), 0.0);
    dbias.clear();
    dbias.resize(conv.outputs, 0.0);
    scratch::with(sums + input + output, |work| {
        let (du, work) = work.split_at_mut(sums);
        let (v, m) = work.split_at_mut(input);
        du.par_chunks_mut(point).for_each(|du| du.fill(0.0));
        for first in (0..n).step_by(cut.slab()) {
            let images = first..(first + cut.slab()).min(n);
            let chunks = cut.chunks(images.len());
            let inputs = images.start * conv.input_len()..images.end * conv.input_len();
            cut.transform(isa, &chunks, &operands.x[inputs.clone()], v);
            transform(isa, cut, &chunks, operands, images, (m, dbias));
            let points = by_point(v, m, &chunks).into_par_iter();
            let points = points.zip(du.par_chunks_mut(point)).enumerate();
            points.for_each(|(point, (mut matrices, du))| {
                let u = (operands.wants_input).then_some(operands.weights);
                products_of(isa, conv, &chunks, u, point, &mut matrices, du);
            });
            if let Some(dx) = &mut dx {
                let images = dx[inputs].par_chunks_mut(cut.chunk_len()[0]);
                let tasks = images.zip(by_chunk(v, &chunks, Tiles::input_len));
                tasks
                    .zip(&chunks)
                    .for_each(|((dx, v), &tiles)| backward::inputs(isa, conv, tiles, v, dx));
            }
        }
        of_weights(isa, conv, du, dweights);
    });
}

/// The tiles of the output's gradient of some images, and, added to `dbias`, the bias's.
fn transform(
    isa: Isa,
    cut: Cut,
    chunks: &[Tiles],
    operands: Backward<'_>,
    images: Range<usize>,
    (m, dbias): (&mut [f32], &mut [f32]),
) {
    let conv = cut.conv;
    let pixels = conv.output_len() / conv.outputs;
    let parts = by_chunk(m, chunks, Tiles::output_len).into_par_iter();
    let tasks = parts.zip(chunks).enumerate().map(|(i, (m, &tiles))| {
        let first = images.start + i * cut.images;
        let count = cut.images.min(images.end - first);
        let output = first * conv.output_len()..(first + count) * conv.output_len();
        let of_chunk = Backward {
            y: &operands.y[output.clone()],
            dy: &operands.dy[output],
            activation: (operands.activation).pixels(first * pixels, count * pixels, conv.outputs),
            ..operands
        };
        let mut dbias = vec![0.0; conv.outputs];
        backward::transform(isa, conv, tiles, of_chunk, m, &mut dbias);
        dbias
    });
    for part in tasks.collect::<Vec<_>>() {
        dbias
            .iter_mut()
            .zip(part)
            .for_each(|(sum, part)| *sum += part);
    }
}

kernel! {
    /// The products of a point: adds to `du`, and makes those of the input of `matrices` where there is `u`.
    fn products_of => products_of_body(
        conv: Conv, chunks: &[Tiles], u: Option<&[f32]>, point: usize, matrices: &mut Matrices<'_>, du: &mut [f32],
    )
}

#[inline(always)]
fn products_of_body<S: Simd>(
    s: S,
    conv: Conv,
    chunks: &[Tiles],
    u: Option<&[f32]>,
    point: usize,
    matrices: &mut Matrices<'_>,
    du: &mut [f32],
) {
    for (tiles, (v, m)) in chunks.iter().zip(&mut *matrices) {
        products::weights_gradient(s, &conv, tiles, v, m, du);
    }
    if let Some(u) = u {
        for (tiles, (v, m)) in chunks.iter().zip(matrices) {
            products::input_gradient(s, &conv, tiles, (u, point), m, v);
        }
    }
}

/// Inputs whose weights' gradient a task transforms back.
const INPUTS: usize = 16;

fn of_weights(isa: Isa, conv: Conv, du: &[f32], dweights: &mut [f32]) {
    let taps = dweights.chunks_mut(conv.inputs * conv.outputs);
    let mut taps: Vec<_> = taps
        .map(|tap| tap.chunks_mut(INPUTS * conv.outputs))
        .collect();
    let parts = (0..conv.inputs.div_ceil(INPUTS))
        .map(|_| taps.iter_mut().filter_map(Iterator::next).collect());
    let parts: Vec<Vec<&mut [f32]>> = parts.collect();
    let tasks = parts.into_par_iter().enumerate();
    tasks.for_each(|(i, mut taps)| weights::gradient(isa, conv, du, i * INPUTS, &mut taps));
}
