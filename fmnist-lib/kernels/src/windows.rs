//! Windows that slide over an image: what convolutions and pools of any size have in common.

use crate::check_sides;
use std::ops::Range;

/// Windows over images `[height][width][channels]`, and the zeros around these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Rows and columns of a window.
    pub window: [usize; 2],
    /// Rows and columns from one window to the next.
    pub strides: [usize; 2],
    /// Rows of zeros above and below the image, columns of zeros left and right of it.
    pub padding: [[usize; 2]; 2],
}

impl Windows {
    /// Windows below and beside each other.
    pub fn output_size(&self) -> [usize; 2] {
        let along = |axis: usize| {
            let wide = self.side(axis) + self.padding[axis][0] + self.padding[axis][1];
            (wide - self.window[axis]) / self.strides[axis] + 1
        };
        [along(0), along(1)]
    }

    /// Floats of an image.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Windows of an image.
    pub fn count(&self) -> usize {
        let [rows, columns] = self.output_size();
        rows * columns
    }

    /// The values of all pixels of a window, one after the other.
    pub(crate) fn values(&self) -> usize {
        self.window[0] * self.window[1] * self.channels
    }

    fn side(&self, axis: usize) -> usize {
        [self.height, self.width][axis]
    }

    /// The rows (columns) of window `at` that lie within the image: their places in the window, and the
    /// first one's place in the image.
    #[inline(always)]
    pub(crate) fn inside(&self, axis: usize, at: usize) -> (Range<usize>, usize) {
        let start = at * self.strides[axis];
        let before = self.padding[axis][0];
        let first = before.saturating_sub(start).min(self.window[axis]);
        let end = (self.side(axis) + before).saturating_sub(start);
        let last = end.min(self.window[axis]).max(first);
        (first..last, (start + first).saturating_sub(before))
    }

    /// Asserts that there is such a thing.
    pub(crate) fn check(&self, what: &str) {
        let [window, strides] = [self.window, self.strides];
        check_sides(what, 1, &[self.height, self.width, self.channels]);
        check_sides(what, 1, &[window[0], window[1], strides[0], strides[1]]);
        for axis in 0..2 {
            let [before, after] = self.padding[axis];
            let fits = self.side(axis) + before + after >= window[axis];
            assert!(
                fits && before < 1 << 20 && after < 1 << 20,
                "{what}: a window of {window:?} does not fit into {}x{} with padding {:?}",
                self.height,
                self.width,
                self.padding
            );
        }
    }

    /// Copies the pixels of windows `range` of an image to `rows`, window by window, zeros included.
    pub(crate) fn gather(&self, image: &[f32], range: Range<usize>, rows: &mut [f32]) {
        let columns = self.output_size()[1];
        let [_, window] = self.window;
        for (at, row) in range.zip(rows.chunks_exact_mut(self.values())) {
            let (down, top) = self.inside(0, at / columns);
            let (right, left) = self.inside(1, at % columns);
            let len = right.len() * self.channels;
            if down.len() < self.window[0] || right.len() < window {
                row.fill(0.0);
            }
            for (y, line) in down.zip(top..) {
                let to = (y * window + right.start) * self.channels;
                let from = (line * self.width + left) * self.channels;
                row[to..to + len].copy_from_slice(&image[from..from + len]);
            }
        }
    }

    /// Adds what [`gather`](Self::gather) has copied back to the pixels it came from.
    pub(crate) fn scatter(&self, rows: &[f32], range: Range<usize>, image: &mut [f32]) {
        let columns = self.output_size()[1];
        let [_, window] = self.window;
        for (at, row) in range.zip(rows.chunks_exact(self.values())) {
            let (down, top) = self.inside(0, at / columns);
            let (right, left) = self.inside(1, at % columns);
            let len = right.len() * self.channels;
            for (y, line) in down.zip(top..) {
                let from = (y * window + right.start) * self.channels;
                let to = (line * self.width + left) * self.channels;
                let pixels = image[to..to + len].iter_mut().zip(&row[from..from + len]);
                pixels.for_each(|(pixel, value)| *pixel += value);
            }
        }
    }
}
