//! Max pooling, and where its gradient goes.

use rayon::prelude::*;

use super::check_len;

/// The largest value of each `size`×`size` window, windows side by side; batches are
/// `[n][height][width][channels]` and `[n][height / size][width / size][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Rows of the input, at least `size`.
    pub height: usize,
    /// Columns of the input, at least `size`.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Rows and columns of a window.
    pub size: usize,
}

impl MaxPool {
    fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn output_len(&self) -> usize {
        (self.height / self.size) * (self.width / self.size) * self.channels
    }

    /// `y` = the largest value of each window of `x`; NaN where it holds one, so that divergence is
    /// seen rather than pooled away.
    ///
    /// # Panics
    /// When `x` is not a whole number of images.
    pub fn forward(&self, x: &[f32], y: &mut Vec<f32>) {
        let images = self.images("MaxPool::forward", x);
        y.clear();
        y.resize(images * self.output_len(), f32::NEG_INFINITY);
        let tasks = y.par_chunks_mut(self.output_len());
        tasks
            .zip(x.par_chunks(self.input_len()))
            .for_each(|(y, x)| {
                self.windows(|to, window| {
                    let y = &mut y[to..to + self.channels];
                    for from in window {
                        for (most, &value) in y.iter_mut().zip(&x[from..]) {
                            if value > *most || value.is_nan() {
                                *most = value;
                            }
                        }
                    }
                });
            });
    }

    /// The gradient of the input from the gradient `dy` of the output `y`. Of several maxima in a
    /// window the first, row by row, receives all of it, as in TensorFlow.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn backward(&self, x: &[f32], y: &[f32], dy: &[f32], dx: &mut Vec<f32>) {
        let what = "MaxPool::backward";
        let images = self.images(what, x);
        check_len(what, "y", y.len(), images * self.output_len());
        check_len(what, "dy", dy.len(), y.len());
        dx.clear();
        dx.resize(x.len(), 0.0);
        let tasks = dx
            .par_chunks_mut(self.input_len())
            .zip(x.par_chunks(self.input_len()))
            .zip(y.par_chunks(self.output_len()))
            .zip(dy.par_chunks(self.output_len()));
        tasks.for_each(|(((dx, x), y), dy)| {
            let mut left = dy.to_vec();
            self.windows(|to, window| {
                let (y, left) = (
                    &y[to..to + self.channels],
                    &mut left[to..to + self.channels],
                );
                for from in window {
                    let dx = &mut dx[from..from + self.channels];
                    let values = x[from..from + self.channels].iter().zip(y);
                    for ((dx, (value, most)), left) in dx.iter_mut().zip(values).zip(&mut *left) {
                        // Nothing is left for the maxima behind the first.
                        if value == most {
                            *dx = std::mem::take(left);
                        }
                    }
                }
            });
        });
    }

    /// For each output pixel of one image, hands `visit` its offset in the output and those of its
    /// window's pixels in the input, all to be followed by the channels.
    fn windows(&self, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
        let size = self.size;
        let (rows, columns) = (self.height / size, self.width / size);
        for row in 0..rows {
            for column in 0..columns {
                let corner = (row * self.width + column) * size;
                let mut window = (0..size * size)
                    .map(|step| (corner + step / size * self.width + step % size) * self.channels);
                visit((row * columns + column) * self.channels, &mut window);
            }
        }
    }

    fn images(&self, what: &str, x: &[f32]) -> usize {
        assert!(
            self.size > 0 && self.output_len() > 0,
            "{what}: {self:?} has no output"
        );
        let images = x.len() / self.input_len();
        check_len(what, "x", x.len(), images * self.input_len());
        images
    }
}
