//! Forward: the products of some windows, then bias and activation while these are in the cache.

use super::WindowConv;
use crate::activation::Activation;
use crate::dense::DEPTH;
use crate::dense::forward::finish;
use crate::gemm::{Panels, Product, Scattered};
use crate::operands::Forward;
use crate::simd::{Simd, kernel};
use crate::windows::Offsets;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Windows whose outputs are finished while they are in the cache.
const ROWS: usize = 128;

kernel! {
    /// An image with its zeros; its weights are stored in the panels of each group.
    pub(super) fn image => image_body(
        conv: WindowConv, offsets: &Offsets, operands: Forward<'_>, y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn image_body<S: Simd>(
    s: S,
    conv: WindowConv,
    offsets: &Offsets,
    operands: Forward<'_>,
    y: &mut [MaybeUninit<f32>],
) {
    let (count, outputs) = (offsets.windows.len(), conv.outputs);
    assert!(y.len() == count * outputs && operands.bias.len() == outputs);
    for first in (0..count).step_by(ROWS) {
        let block = first..(first + ROWS).min(count);
        let y = &mut y[block.start * outputs..block.end * outputs];
        products(
            s,
            conv,
            offsets,
            operands.x,
            operands.weights,
            block.clone(),
            y,
        );
        let activation = (operands.activation).pixels(block.start, block.len(), outputs);
        finish(s, operands.bias, activation, y);
    }
}

/// The sums of some windows of an image.
#[inline(always)]
pub(super) fn products<S: Simd>(
    s: S,
    conv: WindowConv,
    offsets: &Offsets,
    image: &[f32],
    packed: &[f32],
    block: Range<usize>,
    y: &mut [MaybeUninit<f32>],
) {
    let ([channels, filters], values) = (conv.of_group(), conv.values());
    let panels = Panels::new(S::PANEL, values, filters);
    assert!(image.len() == offsets.len && packed.len() == conv.groups * panels.len);
    assert!(offsets.values.len() == values && y.len() == block.len() * conv.outputs);
    for group in 0..conv.groups {
        for first in (0..values).step_by(DEPTH) {
            let steps = &offsets.values[first..(first + DEPTH).min(values)];
            let product = Product {
                m: block.len(),
                k: steps.len(),
                n: filters,
                a: Scattered {
                    a: image.as_ptr().wrapping_add(group * channels),
                    rows: &offsets.windows[block.clone()],
                    steps,
                },
                b: (packed.as_ptr()).wrapping_add(group * panels.len + first * panels.row),
                b_row: panels.row,
                b_panel: panels.panel,
                c: y.as_mut_ptr().cast::<f32>().wrapping_add(group * filters),
                c_row: conv.outputs,
                accumulate: first > 0,
            };
            // SAFETY: A is values of windows, all within the image, B some rows of the group's weights, whose panels
            // hold whole vectors, C the group's columns of y.
            unsafe { product.run(s) };
        }
    }
}

kernel! {
    /// Bias and activation of sums that are there.
    pub(crate) fn end => finish(bias: &[f32], activation: Activation<'_>, y: &mut [MaybeUninit<f32>])
}
