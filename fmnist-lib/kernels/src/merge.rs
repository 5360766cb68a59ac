//! Outputs of several layers as one.

use crate::check_len;
use crate::output::refill;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Values that one parallel task takes, at least.
const PIECE: usize = 1 << 13;

/// The sum of all inputs, which are of one length; of one input, a copy. With `relu`, 0 instead of what is below.
///
/// # Panics
/// When the inputs have different lengths, or there are none.
pub fn sum(inputs: &[&[f32]], relu: bool, y: &mut Vec<f32>) {
    let len = inputs[0].len();
    for input in inputs {
        check_len("sum", "an input", input.len(), len);
    }
    let fill = |y: &mut [MaybeUninit<f32>]| {
        y.par_chunks_mut(PIECE).enumerate().for_each(|(piece, y)| {
            let range = piece * PIECE..piece * PIECE + y.len();
            let y = y.write_copy_of_slice(&inputs[0][range.clone()]);
            for input in &inputs[1..] {
                add_piece(y, &input[range.clone()]);
            }
            if relu {
                // NaN stays NaN.
                y.iter_mut()
                    .for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
            }
        });
    };
    // SAFETY: all values are written.
    unsafe { refill(y, len, fill) };
}

/// `sum += more`.
///
/// # Panics
/// When the two have different lengths.
pub fn add(sum: &mut [f32], more: &[f32]) {
    check_len("add", "more", more.len(), sum.len());
    let pieces = sum.par_chunks_mut(PIECE).zip(more.par_chunks(PIECE));
    pieces.for_each(|(sum, more)| add_piece(sum, more));
}

fn add_piece(sum: &mut [f32], more: &[f32]) {
    sum.iter_mut()
        .zip(more)
        .for_each(|(sum, more)| *sum += more);
}

/// The channels of all inputs side by side; of each input they are so many.
///
/// # Panics
/// When the inputs are not of equally many pixels, or there are none.
pub fn concatenate(inputs: &[&[f32]], channels: &[usize], y: &mut Vec<f32>) {
    check_len("concatenate", "channels", channels.len(), inputs.len());
    let (all, pixels) = (
        channels.iter().sum::<usize>(),
        inputs[0].len() / channels[0],
    );
    for (input, channels) in inputs.iter().zip(channels) {
        check_len("concatenate", "an input", input.len(), pixels * channels);
    }
    let at_once = (PIECE / all).max(1);
    let fill = |y: &mut [MaybeUninit<f32>]| {
        let pieces = y.par_chunks_mut(at_once * all).enumerate();
        pieces.for_each(|(piece, y)| {
            let mut start = 0;
            for (input, &channels) in inputs.iter().zip(channels) {
                let input = input[piece * at_once * channels..].chunks_exact(channels);
                for (y, input) in y.chunks_exact_mut(all).zip(input) {
                    y[start..start + channels].write_copy_of_slice(input);
                }
                start += channels;
            }
        });
    };
    // SAFETY: the channels of all inputs fill each pixel.
    unsafe { refill(y, pixels * all, fill) };
}

/// The way back from [`concatenate`]: to each part, its channels of `dy`.
///
/// # Panics
/// When `dy` is not whole pixels.
pub fn split(dy: &[f32], channels: &[usize], parts: &mut [Vec<f32>]) {
    let all: usize = channels.iter().sum();
    let pixels = dy.len() / all;
    check_len("split", "dy", dy.len(), pixels * all);
    check_len("split", "parts", parts.len(), channels.len());
    let at_once = (PIECE / all).max(1);
    let mut start = 0;
    for (part, &channels) in parts.iter_mut().zip(channels) {
        let fill = |part: &mut [MaybeUninit<f32>]| {
            let pieces = part.par_chunks_mut(at_once * channels);
            pieces
                .zip(dy.par_chunks(at_once * all))
                .for_each(|(part, dy)| {
                    for (part, dy) in part.chunks_exact_mut(channels).zip(dy.chunks_exact(all)) {
                        part.write_copy_of_slice(&dy[start..start + channels]);
                    }
                });
        };
        // SAFETY: the channels of all pixels are written.
        unsafe { refill(part, pixels * channels, fill) };
        start += channels;
    }
}
