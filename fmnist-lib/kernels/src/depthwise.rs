//! A convolution of each channel by itself.

use crate::activation::Activation;
use crate::operands::{Backward, Forward};
use crate::output::{Gradients, as_uninit, refill};
use crate::simd::{Isa, LANES, Simd, kernel};
use crate::{Windows, check_len, check_sides, images_per_task, scratch, sum_in_order, window_conv};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Windows that look at one channel; batches are `[n][height][width][channels]` and
/// `[n][rows][columns][channels * multiplier]`, weights `[window rows][window columns][channels][multiplier]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// What it slides over.
    pub windows: Windows,
    /// Filters of each channel.
    pub multiplier: usize,
}

impl Depthwise {
    /// Values of a pixel of the output.
    fn outputs(&self) -> usize {
        self.windows.channels * self.multiplier
    }

    /// Floats of an image of the output.
    fn output_len(&self) -> usize {
        self.windows.count() * self.outputs()
    }

    /// Floats of the weights.
    fn weights_len(&self) -> usize {
        self.windows.window[0] * self.windows.window[1] * self.outputs()
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        self.windows.check(what);
        check_sides(what, 1, &[self.multiplier, self.outputs()]);
        let n = x.len() / self.windows.input_len();
        check_len(what, "x", x.len(), n * self.windows.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }

    /// As many filters as channels, where each channel comes once for each of its filters.
    fn repeated(&self) -> Windows {
        Windows {
            channels: self.outputs(),
            ..self.windows
        }
    }

    /// Calls `work` with an image in which each channel comes once for each of its filters, and the zeros around it.
    fn with_repeated<R>(&self, x: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
        if self.multiplier == 1 {
            return self.windows.with_zeros(x, work);
        }
        scratch::with(x.len() * self.multiplier, |repeated| {
            for (to, from) in repeated.chunks_exact_mut(self.multiplier).zip(x) {
                to.fill(*from);
            }
            self.repeated().with_zeros(repeated, work)
        })
    }

    fn of_image<'a>(&self, activation: Activation<'a>, image: usize) -> Activation<'a> {
        let pixels = self.windows.count();
        activation.pixels(image * pixels, pixels, self.outputs())
    }

    /// `y = activation(conv(x, weights) + bias)`.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "Depthwise::forward";
        let n = self.check(what, operands.x, operands.weights);
        operands.check(what, n * self.windows.count(), self.outputs());
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let images = y.par_chunks_mut(self.output_len());
            let tasks = images.zip(operands.x.par_chunks(self.windows.input_len()));
            tasks.enumerate().for_each(|(image, (y, x))| {
                self.with_repeated(x, |x| {
                    let activation = self.of_image(operands.activation, image);
                    let of_image = Forward {
                        x,
                        activation,
                        ..operands
                    };
                    slide(isa, self.repeated(), of_image, y);
                });
            });
        };
        // SAFETY: all outputs of all windows of all images are written.
        unsafe { refill(y, n * self.output_len(), fill) };
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "Depthwise::backward";
        let n = self.check(what, operands.x, operands.weights);
        operands.check(what, n * self.windows.count(), self.outputs());
        let images = images_per_task(n);
        let (input, output) = (self.windows.input_len(), self.output_len());
        let back = Back::new(self, operands.weights);
        let mut partial = Vec::new();
        let fill = |dx: &mut [MaybeUninit<f32>]| {
            let mut of_tasks: Vec<_> = dx.chunks_mut(images * input).collect();
            of_tasks.resize_with(n.div_ceil(images), Default::default);
            let task = |(task, dx): (usize, &mut [MaybeUninit<f32>])| {
                // The weights, then the bias.
                let mut sums = vec![0.0; self.weights_len() + self.outputs()];
                let (of_weights, of_bias) = sums.split_at_mut(self.weights_len());
                let mut dx = dx.chunks_exact_mut(input);
                for image in task * images..((task + 1) * images).min(n) {
                    let of_image = Backward {
                        x: &operands.x[image * input..][..input],
                        y: &operands.y[image * output..][..output],
                        dy: &operands.dy[image * output..][..output],
                        activation: self.of_image(operands.activation, image),
                        ..operands
                    };
                    scratch::with(output, |dy| {
                        window_conv::sums(isa, [self.outputs(); 2], of_image, dy, of_bias);
                        self.with_repeated(of_image.x, |x| {
                            add_weights(isa, self.repeated(), x, dy, of_weights);
                        });
                        if let Some(dx) = dx.next() {
                            back.image(isa, dy, dx);
                        }
                    });
                }
                sums
            };
            partial = of_tasks.into_par_iter().enumerate().map(task).collect();
        };
        let len = if operands.wants_input { n * input } else { 0 };
        // SAFETY: all channels of all pixels of all images are written.
        unsafe { refill(&mut gradients.input, len, fill) };
        let mut total = vec![0.0; self.weights_len() + self.outputs()];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(self.weights_len());
        gradients.weights = total;
    }
}

/// How the gradient of the input comes from that of the sums.
struct Back<'a> {
    layer: Depthwise,
    weights: &'a [f32],
    /// The convolution that leads back, where windows move by one pixel, and its weights.
    turned: Option<(Windows, Vec<f32>)>,
    no_bias: Vec<f32>,
}

impl<'a> Back<'a> {
    fn new(layer: &Depthwise, weights: &'a [f32]) -> Self {
        let outputs = layer.outputs();
        let turned = layer.repeated().turned(outputs).map(|windows| {
            let flipped = weights.chunks_exact(outputs).rev().flatten().copied();
            (windows, flipped.collect())
        });
        Self {
            layer: *layer,
            weights,
            turned,
            no_bias: vec![0.0; outputs],
        }
    }

    /// Of an image.
    fn image(&self, isa: Isa, dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
        let multiplier = self.layer.multiplier;
        if multiplier == 1 {
            return self.repeated(isa, dy, dx);
        }
        scratch::with(dx.len() * multiplier, |repeated| {
            self.repeated(isa, dy, as_uninit(repeated));
            for (dx, parts) in dx.iter_mut().zip(repeated.chunks_exact(multiplier)) {
                dx.write(parts.iter().sum());
            }
        });
    }

    /// Of an image in which each channel comes once for each of its filters.
    fn repeated(&self, isa: Isa, dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
        let windows = self.layer.repeated();
        match &self.turned {
            Some((turned, weights)) => turned.with_zeros(dy, |dy| {
                let operands = Forward {
                    x: dy,
                    weights,
                    bias: &self.no_bias,
                    activation: Activation::default(),
                };
                slide(isa, *turned, operands, dx);
            }),
            None => scratch::with(windows.wide_len(), |wide| {
                scatter(isa, windows, dy, self.weights, wide);
                windows.without_zeros(wide, dx);
            }),
        }
    }
}

kernel! {
    /// Slides over an image with its zeros.
    fn slide => slide_body(
        windows: Windows, operands: Forward<'_>, y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn slide_body<S: Simd>(s: S, windows: Windows, operands: Forward<'_>, y: &mut [MaybeUninit<f32>]) {
    let (x, weights, bias) = (operands.x, operands.weights, operands.bias);
    let ([rows, columns], channels) = (windows.output_size(), windows.channels);
    let taps = windows.window[0] * windows.window[1];
    assert!(x.len() == windows.wide_len() && y.len() == rows * columns * channels);
    assert!(weights.len() == taps * channels && bias.len() == channels);
    for row in 0..rows {
        for first in (0..channels).step_by(LANES) {
            let block = Block {
                windows,
                row,
                first,
                lanes: (channels - first).min(LANES),
            };
            let mut column = 0;
            while column < columns {
                let left = columns - column;
                let y = y.as_mut_ptr().cast();
                // SAFETY: the tile ends at or before the last column; the lengths were checked above.
                column += unsafe {
                    if left >= 8 {
                        block.tile::<S, 8>(s, column, operands, y)
                    } else if left >= 4 {
                        block.tile::<S, 4>(s, column, operands, y)
                    } else if left >= 2 {
                        block.tile::<S, 2>(s, column, operands, y)
                    } else {
                        block.tile::<S, 1>(s, column, operands, y)
                    }
                };
            }
        }
    }
}

/// Up to 16 channels of a row of windows.
#[derive(Clone, Copy)]
struct Block {
    windows: Windows,
    row: usize,
    first: usize,
    lanes: usize,
}

impl Block {
    /// Where the windows of `column` begin in the image with its zeros.
    #[inline(always)]
    fn window(self, column: usize) -> usize {
        let [down, across] = self.windows.strides;
        self.windows.place(self.row * down, column * across) + self.first
    }

    /// Where they are in the output.
    #[inline(always)]
    fn output(self, column: usize) -> usize {
        let columns = self.windows.output_size()[1];
        (self.row * columns + column) * self.windows.channels + self.first
    }

    /// Windows `column..column + N`; returns `N`.
    ///
    /// # Safety
    /// There are so many; `x` is an image with its zeros, `weights` and `bias` are of its channels, and `y` is valid
    /// for writing an output.
    #[inline(always)]
    unsafe fn tile<S: Simd, const N: usize>(
        self,
        s: S,
        column: usize,
        operands: Forward<'_>,
        y: *mut f32,
    ) -> usize {
        let (x, weights, bias) = (operands.x, operands.weights, operands.bias);
        let (channels, lanes) = (self.windows.channels, self.lanes);
        let across = self.windows.strides[1] * channels;
        let mut w = weights.as_ptr().wrapping_add(self.first);
        // SAFETY: the caller's: each tap of each of the windows lies within x, its weight within weights.
        unsafe {
            let mut sums = [s.load_n(bias.as_ptr().wrapping_add(self.first), lanes); N];
            for down in 0..self.windows.window[0] {
                let line = self.window(column) + self.windows.place(down, 0);
                let mut x = x.as_ptr().wrapping_add(line);
                for _ in 0..self.windows.window[1] {
                    let weight = s.load_n(w, lanes);
                    for (at, sum) in sums.iter_mut().enumerate() {
                        *sum = s.fma(s.load_n(x.wrapping_add(at * across), lanes), weight, *sum);
                    }
                    w = w.wrapping_add(channels);
                    x = x.wrapping_add(channels);
                }
            }
            let blocks = channels.div_ceil(LANES);
            let pixel = self.output(column) / channels;
            for (at, sum) in sums.into_iter().enumerate() {
                let word = (pixel + at) * blocks + self.first / LANES;
                let sum = operands.activation.forward(s, sum, word);
                s.store_n(y.wrapping_add(self.output(column + at)), sum, lanes);
            }
        }
        N
    }

    /// Adds to the gradients of `N` weights beside each other, from tap `(down, right)` on, what the row says.
    ///
    /// # Safety
    /// There are so many; `x` is an image with its zeros, `dy` of its output, and `sums` the place of the first.
    #[inline(always)]
    unsafe fn add_weights<S: Simd, const N: usize>(
        self,
        s: S,
        [down, right]: [usize; 2],
        x: &[f32],
        dy: &[f32],
        sums: &mut [S::F; N],
    ) {
        let (channels, lanes) = (self.windows.channels, self.lanes);
        let tap = self.windows.place(down, right);
        // SAFETY: the caller's.
        unsafe {
            for column in 0..self.windows.output_size()[1] {
                let dy = s.load_n(dy.as_ptr().wrapping_add(self.output(column)), lanes);
                let x = x.as_ptr().wrapping_add(self.window(column) + tap);
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum = s.fma(s.load_n(x.wrapping_add(at * channels), lanes), dy, *sum);
                }
            }
        }
    }
}

kernel! {
    /// Adds what an image with its zeros says of the weights.
    fn add_weights => add_weights_body(
        windows: Windows, x: &[f32], dy: &[f32], of_weights: &mut [f32],
    )
}

#[inline(always)]
fn add_weights_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    dy: &[f32],
    of_weights: &mut [f32],
) {
    let channels = windows.channels;
    let [height, width] = windows.window;
    assert!(x.len() == windows.wide_len() && dy.len() == windows.count() * channels);
    assert!(of_weights.len() == height * width * channels);
    for first in (0..channels).step_by(LANES) {
        let lanes = (channels - first).min(LANES);
        for down in 0..height {
            let mut right = 0;
            while right < width {
                let to = (down * width + right) * channels + first;
                let to = of_weights.as_mut_ptr().wrapping_add(to);
                let tap = [down, right];
                // SAFETY: so many taps are left in the row; the lengths were checked above.
                right += unsafe {
                    match width - right {
                        1 => weights_of::<S, 1>(s, windows, [first, lanes], tap, x, dy, to),
                        2 => weights_of::<S, 2>(s, windows, [first, lanes], tap, x, dy, to),
                        4 => weights_of::<S, 4>(s, windows, [first, lanes], tap, x, dy, to),
                        5 => weights_of::<S, 5>(s, windows, [first, lanes], tap, x, dy, to),
                        _ => weights_of::<S, 3>(s, windows, [first, lanes], tap, x, dy, to),
                    }
                };
            }
        }
    }
}

/// Adds to `N` weights at `to` what an image says of them; returns `N`.
///
/// # Safety
/// As for [`Block::add_weights`]; the weights at `to` are valid for reading and writing.
#[inline(always)]
unsafe fn weights_of<S: Simd, const N: usize>(
    s: S,
    windows: Windows,
    [first, lanes]: [usize; 2],
    tap: [usize; 2],
    x: &[f32],
    dy: &[f32],
    to: *mut f32,
) -> usize {
    let mut sums = [s.zero(); N];
    for row in 0..windows.output_size()[0] {
        let block = Block {
            windows,
            row,
            first,
            lanes,
        };
        // SAFETY: the caller's.
        unsafe { block.add_weights(s, tap, x, dy, &mut sums) };
    }
    for (at, sum) in sums.into_iter().enumerate() {
        let to = to.wrapping_add(at * windows.channels);
        // SAFETY: the caller's.
        unsafe { s.store_n(to, s.add(s.load_n(to, lanes), sum), lanes) };
    }
    N
}

kernel! {
    /// The gradient of an image with its zeros, each window's added to its pixels.
    fn scatter => scatter_body(windows: Windows, dy: &[f32], weights: &[f32], wide: &mut [f32])
}

#[inline(always)]
fn scatter_body<S: Simd>(s: S, windows: Windows, dy: &[f32], weights: &[f32], wide: &mut [f32]) {
    let ([rows, columns], channels) = (windows.output_size(), windows.channels);
    let [height, width] = windows.window;
    assert!(wide.len() == windows.wide_len() && dy.len() == rows * columns * channels);
    assert!(weights.len() == height * width * channels);
    wide.fill(0.0);
    for row in 0..rows {
        for first in (0..channels).step_by(LANES) {
            let lanes = (channels - first).min(LANES);
            let block = Block {
                windows,
                row,
                first,
                lanes,
            };
            for column in 0..columns {
                // SAFETY: each tap of the window lies within the image, its weight within the weights.
                unsafe {
                    let dy = s.load_n(dy.as_ptr().wrapping_add(block.output(column)), lanes);
                    for tap in 0..height * width {
                        let place = windows.place(tap / width, tap % width);
                        let to = wide.as_mut_ptr().wrapping_add(block.window(column) + place);
                        let weight = weights.as_ptr().wrapping_add(tap * channels + first);
                        let sum = s.fma(dy, s.load_n(weight, lanes), s.load_n(to, lanes));
                        s.store_n(to, sum, lanes);
                    }
                }
            }
        }
    }
}
