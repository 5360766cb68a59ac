//! Convolution as a matrix product.
//!
//! Each output pixel's window is copied into one row of a matrix (in channels-last order that is
//! `window` contiguous runs), which is multiplied with the kernel as it lies in memory:
//! (pixels, window·window·channels) × (window·window·channels, filters). A few images at a time, so
//! that the matrix stays in the cache.

use gemm::Parallelism;
use rayon::prelude::*;

/// Sizes of one convolution, without padding, stride 1.
pub(super) struct Geometry {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) window: usize,
    pub(super) filters: usize,
}

impl Geometry {
    pub(super) fn rows(&self) -> usize {
        self.height - self.window + 1
    }

    pub(super) fn columns(&self) -> usize {
        self.width - self.window + 1
    }

    fn pixels(&self) -> usize {
        self.rows() * self.columns()
    }

    fn image(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn patch(&self) -> usize {
        self.window * self.window * self.channels
    }

    /// Images whose patches take about half a megabyte.
    fn chunk(&self) -> usize {
        (131_072 / (self.pixels() * self.patch())).max(1)
    }

    /// Calls `copy(offset in the patches, offset in the image, length)` for each contiguous run.
    fn runs(&self, mut copy: impl FnMut(usize, usize, usize)) {
        let run = self.window * self.channels;
        let mut to = 0;
        for row in 0..self.rows() {
            for column in 0..self.columns() {
                for line in 0..self.window {
                    copy(
                        to,
                        ((row + line) * self.width + column) * self.channels,
                        run,
                    );
                    to += run;
                }
            }
        }
    }

    fn unfold(&self, images: &[f32], patches: &mut [f32]) {
        let per_image = self.pixels() * self.patch();
        for (image, patches) in images
            .chunks(self.image())
            .zip(patches.chunks_mut(per_image))
        {
            self.runs(|to, from, run| {
                patches[to..to + run].copy_from_slice(&image[from..from + run]);
            });
        }
    }

    fn fold(&self, patches: &[f32], images: &mut [f32]) {
        let per_image = self.pixels() * self.patch();
        for (image, patches) in images
            .chunks_mut(self.image())
            .zip(patches.chunks(per_image))
        {
            self.runs(|from, to, run| {
                let image = &mut image[to..to + run];
                image
                    .iter_mut()
                    .zip(&patches[from..from + run])
                    .for_each(|(x, p)| *x += p);
            });
        }
    }
}

/// `relu(input * kernel + bias)`, or without the ReLU.
pub(super) fn forward(
    geometry: &Geometry,
    input: &[f32],
    kernel: &[f32],
    bias: &[f32],
    relu: bool,
) -> Vec<f32> {
    let (chunk, filters) = (geometry.chunk(), geometry.filters);
    let images = input.len() / geometry.image();
    let mut output = vec![0.0; images * geometry.pixels() * filters];
    output
        .par_chunks_mut(chunk * geometry.pixels() * filters)
        .zip(input.par_chunks(chunk * geometry.image()))
        .for_each_init(Vec::new, |patches, (output, input)| {
            let pixels = output.len() / filters;
            patches.resize(pixels * geometry.patch(), 0.0);
            geometry.unfold(input, patches);
            product(
                output,
                [pixels, geometry.patch(), filters],
                patches,
                kernel,
                Order::Plain,
            );
            for pixel in output.chunks_mut(filters) {
                for (value, bias) in pixel.iter_mut().zip(bias) {
                    *value += bias;
                    if relu && *value < 0.0 {
                        *value = 0.0;
                    }
                }
            }
        });
    output
}

pub(super) struct Gradients {
    pub(super) input: Option<Vec<f32>>,
    pub(super) kernel: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// Gradients of a loss whose gradient by the output is `dy`; `output` where a ReLU followed.
pub(super) fn backward(
    geometry: &Geometry,
    input: &[f32],
    kernel: &[f32],
    output: Option<&[f32]>,
    dy: &[f32],
    with_input: bool,
) -> Gradients {
    // Partial sums are taken over fixed groups of images and added up in their order, so that the
    // result has the same bits whatever the number of threads.
    const GROUP: usize = 32;
    let (filters, patch, image) = (geometry.filters, geometry.patch(), geometry.image());
    let per_image = geometry.pixels() * filters;
    let mut dx = vec![0.0; if with_input { input.len() } else { 0 }];
    let groups = input.len().div_ceil(GROUP * image);
    let mut dx_groups: Vec<&mut [f32]> = if with_input {
        dx.chunks_mut(GROUP * image).collect()
    } else {
        (0..groups).map(|_| <&mut [f32]>::default()).collect()
    };
    let partial: Vec<(Vec<f32>, Vec<f32>)> = dx_groups
        .par_iter_mut()
        .enumerate()
        .map(|(group, dx)| {
            let (mut dw, mut db) = (vec![0.0; patch * filters], vec![0.0; filters]);
            let (mut patches, mut sums) = (Vec::new(), Vec::new());
            let first = group * GROUP;
            let last = (first + GROUP).min(input.len() / image);
            for start in (first..last).step_by(geometry.chunk()) {
                let end = (start + geometry.chunk()).min(last);
                sums.clear();
                sums.extend_from_slice(&dy[start * per_image..end * per_image]);
                if let Some(output) = output {
                    let output = &output[start * per_image..end * per_image];
                    sums.iter_mut()
                        .zip(output)
                        .filter(|(_, y)| **y == 0.0)
                        .for_each(|(d, _)| *d = 0.0);
                }
                for pixel in sums.chunks(filters) {
                    db.iter_mut().zip(pixel).for_each(|(db, d)| *db += d);
                }
                let pixels = sums.len() / filters;
                patches.resize(pixels * patch, 0.0);
                geometry.unfold(&input[start * image..end * image], &mut patches);
                product(
                    &mut dw,
                    [patch, pixels, filters],
                    &patches,
                    &sums,
                    Order::LeftTransposed,
                );
                if with_input {
                    product(
                        &mut patches,
                        [pixels, filters, patch],
                        &sums,
                        kernel,
                        Order::RightTransposed,
                    );
                    geometry.fold(
                        &patches,
                        &mut dx[(start - first) * image..(end - first) * image],
                    );
                }
            }
            (dw, db)
        })
        .collect();
    let (mut kernel, mut bias) = (vec![0.0; patch * filters], vec![0.0; filters]);
    for (dw, db) in &partial {
        kernel
            .iter_mut()
            .zip(dw)
            .for_each(|(sum, part)| *sum += part);
        bias.iter_mut().zip(db).for_each(|(sum, part)| *sum += part);
    }
    Gradients {
        input: with_input.then_some(dx),
        kernel,
        bias,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// `output = left · right`
    Plain,
    /// `output += leftᵀ · right`
    LeftTransposed,
    /// `output = left · rightᵀ`
    RightTransposed,
}

/// A matrix product of sizes (m, k) × (k, n), all row by row.
fn product(output: &mut [f32], [m, k, n]: [usize; 3], left: &[f32], right: &[f32], order: Order) {
    assert!(output.len() == m * n && left.len() == m * k && right.len() == k * n);
    let (left_strides, right_strides) = match order {
        Order::Plain => ((1, k), (1, n)),
        Order::LeftTransposed => ((m, 1), (1, n)),
        Order::RightTransposed => ((1, k), (k, 1)),
    };
    let accumulate = order == Order::LeftTransposed;
    // SAFETY: the assertion above holds each slice to the size that its strides reach, and the
    // output is borrowed exclusively.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            left.as_ptr(),
            left_strides.0 as isize,
            left_strides.1 as isize,
            right.as_ptr(),
            right_strides.0 as isize,
            right_strides.1 as isize,
            if accumulate { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
