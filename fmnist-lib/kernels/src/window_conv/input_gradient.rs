//! Backward: from the sums to the input.

use super::{WindowConv, forward, pack};
use crate::gemm::{Panels, Product, Strided};
use crate::scratch;
use crate::simd::{Isa, LANES, Simd, kernel};
use crate::windows::Offsets;
use std::mem::MaybeUninit;

/// How the gradient of the input comes from that of the sums.
#[derive(Clone, Copy)]
pub(crate) struct InputGradient<'a> {
    conv: WindowConv,
    packed: &'a [f32],
    offsets: &'a Offsets,
    way: Way,
}

#[derive(Clone, Copy)]
enum Way {
    /// A convolution of the gradient, by windows that are turned round.
    Back(WindowConv),
    /// Each window's gradient, added to the pixels that it is of.
    Scatter,
}

/// The convolution that goes back through `conv`, where there is one and it is the faster way.
fn way_back(conv: &WindowConv) -> Option<WindowConv> {
    let windows = conv.windows;
    let back = WindowConv {
        windows: windows.turned(conv.outputs)?,
        outputs: windows.channels,
        groups: conv.groups,
    };
    let [channels, filters] = conv.of_group();
    // Vectors that are multiplied and, for windows that are added, those that are stored and read again.
    let products = windows.height * windows.width * back.values() * channels.div_ceil(LANES);
    // What lies side by side is added at once, after a few steps to find it.
    let values = conv.values();
    let run = match conv.groups {
        1 => windows.window[1] * channels,
        _ => channels,
    };
    let added = values / run * (2 + 2 * run.div_ceil(LANES));
    let scatter = windows.count() * (filters * values.div_ceil(LANES) + added);
    (products <= scatter).then_some(back)
}

impl InputGradient<'_> {
    /// Whether the gradients of windows are added to their pixels.
    pub(crate) fn is_scattered(conv: &WindowConv) -> bool {
        way_back(conv).is_none()
    }

    /// Calls `work` with the way back through `conv`.
    pub(crate) fn with(
        isa: Isa,
        conv: &WindowConv,
        weights: &[f32],
        work: impl FnOnce(InputGradient<'_>),
    ) {
        let ([_, filters], back) = (conv.of_group(), way_back(conv));
        let (panels, offsets) = match &back {
            Some(back) => (
                Panels::new(isa.panel(), back.values(), back.of_group()[1]),
                back.offsets(),
            ),
            None => (
                Panels::new(isa.panel(), filters, conv.values()),
                conv.offsets(),
            ),
        };
        scratch::with(conv.groups * panels.len, |packed| {
            match &back {
                Some(_) => pack::flipped(conv, weights, panels, packed),
                None => pack::transposed(conv, weights, panels, packed),
            }
            work(InputGradient {
                conv: *conv,
                packed,
                offsets: &offsets,
                way: back.map_or(Way::Scatter, Way::Back),
            });
        });
    }

    /// Of an image, from the gradients of its sums, `stride` floats from a window's to the next.
    pub(crate) fn image(self, isa: Isa, sums: &[f32], stride: usize, dx: &mut [MaybeUninit<f32>]) {
        match self.way {
            Way::Back(back) => back.windows.with_zeros_of_rows(sums, stride, |sums| {
                through(isa, back, self.offsets, sums, self.packed, dx);
            }),
            Way::Scatter => scratch::with(self.offsets.len, |image| {
                scratch::with(ROWS * self.conv.values(), |rows| {
                    scatter(
                        isa,
                        self.conv,
                        self.offsets,
                        Rows { sums, stride },
                        self.packed,
                        rows,
                        image,
                    );
                });
                self.conv.windows.without_zeros(image, dx);
            }),
        }
    }
}

kernel! {
    /// All sums of an image.
    fn through => through_body(
        conv: WindowConv, offsets: &Offsets, image: &[f32], packed: &[f32], y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn through_body<S: Simd>(
    s: S,
    conv: WindowConv,
    offsets: &Offsets,
    image: &[f32],
    packed: &[f32],
    y: &mut [MaybeUninit<f32>],
) {
    forward::products(s, conv, offsets, image, packed, 0..offsets.windows.len(), y);
}

/// Windows whose gradient is added at a time.
const ROWS: usize = 64;

/// The gradients of an image's sums.
#[derive(Clone, Copy)]
struct Rows<'a> {
    sums: &'a [f32],
    stride: usize,
}

kernel! {
    /// The gradient of an image with its zeros; `rows` is working memory.
    fn scatter => scatter_body(
        conv: WindowConv, offsets: &Offsets, sums: Rows<'_>, packed: &[f32], rows: &mut [f32], image: &mut [f32],
    )
}

#[inline(always)]
fn scatter_body<S: Simd>(
    s: S,
    conv: WindowConv,
    offsets: &Offsets,
    Rows { sums, stride }: Rows<'_>,
    packed: &[f32],
    rows: &mut [f32],
    image: &mut [f32],
) {
    let ([channels, filters], values) = (conv.of_group(), conv.values());
    let panels = Panels::new(S::PANEL, filters, values);
    assert!(image.len() == offsets.len && offsets.values.len() == values);
    assert!(packed.len() == conv.groups * panels.len && rows.len() == ROWS * values);
    assert!(
        stride >= conv.outputs && sums.len() >= (offsets.windows.len() - 1) * stride + conv.outputs
    );
    image.fill(0.0);
    for (block, windows) in offsets.windows.chunks(ROWS).enumerate() {
        for group in 0..conv.groups {
            let first = block * ROWS * stride + group * filters;
            let product = Product {
                m: windows.len(),
                k: filters,
                n: values,
                a: Strided {
                    a: sums.as_ptr().wrapping_add(first),
                    row: stride,
                    step: 1,
                },
                b: packed.as_ptr().wrapping_add(group * panels.len),
                b_row: panels.row,
                b_panel: panels.panel,
                c: rows.as_mut_ptr(),
                c_row: values,
                accumulate: false,
            };
            // SAFETY: A is the group's columns of some rows of the sums, B its packed weights, C rows.
            unsafe { product.run(s) };
            for (&window, row) in windows.iter().zip(rows.chunks_exact(values)) {
                let runs = offsets.values.iter().step_by(offsets.run);
                for (&value, row) in runs.zip(row.chunks_exact(offsets.run)) {
                    let pixels = &mut image[window + value + group * channels..][..row.len()];
                    pixels
                        .iter_mut()
                        .zip(row)
                        .for_each(|(pixel, row)| *pixel += row);
                }
            }
        }
    }
}
