//! A frame of zeros around images.

use rayon::prelude::*;

use super::{check_len, check_sides};

/// Adds rows and columns of zeros around images; batches are `[n][height][width][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Padding {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Rows added above and below, columns added left and right.
    pub zeros: [[usize; 2]; 2],
}

impl Padding {
    fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    fn output_len(&self) -> usize {
        let [[top, bottom], _] = self.zeros;
        (self.height + top + bottom) * self.wide() * self.channels
    }

    /// Columns of the output.
    fn wide(&self) -> usize {
        let [_, [left, right]] = self.zeros;
        self.width + left + right
    }

    /// Where row `row` of an input lies in its output.
    fn row(&self, row: usize) -> std::ops::Range<usize> {
        let [[top, _], [left, _]] = self.zeros;
        let start = ((row + top) * self.wide() + left) * self.channels;
        start..start + self.width * self.channels
    }

    /// `y` = `x` with its frame.
    ///
    /// # Panics
    /// When `x` is not a whole number of images.
    pub fn forward(&self, x: &[f32], y: &mut Vec<f32>) {
        let what = "Padding::forward";
        check_sides(what, 1, &[self.height, self.width, self.channels]);
        let images = x.len() / self.input_len();
        check_len(what, "x", x.len(), images * self.input_len());
        y.clear();
        y.resize(images * self.output_len(), 0.0);
        let tasks = y.par_chunks_mut(self.output_len());
        tasks
            .zip(x.par_chunks(self.input_len()))
            .for_each(|(y, x)| {
                for (row, x) in x.chunks(self.width * self.channels).enumerate() {
                    y[self.row(row)].copy_from_slice(x);
                }
            });
    }

    /// The gradient of the input: that of the output, `dy`, without the frame.
    ///
    /// # Panics
    /// When `dy` is not a whole number of images.
    pub fn backward(&self, dy: &[f32], dx: &mut Vec<f32>) {
        let what = "Padding::backward";
        check_sides(what, 1, &[self.height, self.width, self.channels]);
        let images = dy.len() / self.output_len();
        check_len(what, "dy", dy.len(), images * self.output_len());
        dx.clear();
        dx.resize(images * self.input_len(), 0.0);
        let tasks = dx.par_chunks_mut(self.input_len());
        tasks
            .zip(dy.par_chunks(self.output_len()))
            .for_each(|(dx, dy)| {
                for (row, dx) in dx.chunks_mut(self.width * self.channels).enumerate() {
                    dx.copy_from_slice(&dy[self.row(row)]);
                }
            });
    }
}
