//! Windows that slide over an image: what convolutions and pools of any size have in common.

use crate::{check_sides, scratch};
use std::mem::MaybeUninit;
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

    /// Rows and columns of an image with the zeros around it.
    fn wide(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.side(axis) + self.padding[axis][0] + self.padding[axis][1])
    }

    /// Floats of an image with the zeros around it.
    pub(crate) fn wide_len(&self) -> usize {
        let [height, width] = self.wide();
        height * width * self.channels
    }

    /// Where a pixel lies in an image with the zeros around it.
    #[inline(always)]
    pub(crate) fn place(&self, row: usize, column: usize) -> usize {
        (row * self.wide()[1] + column) * self.channels
    }

    /// Windows over the output, of `channels` channels, one for each pixel of the image: the way back, where windows
    /// move by one pixel.
    pub(crate) fn turned(&self, channels: usize) -> Option<Self> {
        let within = |axis: usize| {
            let zeros = self.padding[axis].iter();
            zeros.max() < Some(&self.window[axis])
        };
        let turned = |axis: usize| self.padding[axis].map(|zeros| self.window[axis] - 1 - zeros);
        let [height, width] = self.output_size();
        (self.strides == [1, 1] && within(0) && within(1)).then(|| Self {
            height,
            width,
            channels,
            padding: [turned(0), turned(1)],
            ..*self
        })
    }

    /// Where windows lie in an image with the zeros around it, and their values, of which only the first `channels`
    /// of each pixel count.
    pub(crate) fn offsets(&self, channels: usize) -> Offsets {
        let [rows, columns] = self.output_size();
        let [down, across] = self.strides;
        let each = |rows: usize, columns: usize| {
            (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
        };
        let windows =
            each(rows, columns).map(|(row, column)| self.place(row * down, column * across));
        let pixels = each(self.window[0], self.window[1]);
        let values = pixels.flat_map(|(row, column)| {
            let first = self.place(row, column);
            first..first + channels
        });
        Offsets {
            windows: windows.collect(),
            values: values.collect(),
            len: self.wide_len(),
            run: match channels == self.channels {
                true => self.window[1] * channels,
                false => channels,
            },
        }
    }

    /// Calls `work` with an image and the zeros around it.
    pub(crate) fn with_zeros<R>(&self, image: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
        self.with_zeros_of_rows(image, self.channels, work)
    }

    /// The same of an image whose pixels are `stride` floats apart.
    pub(crate) fn with_zeros_of_rows<R>(
        &self,
        image: &[f32],
        stride: usize,
        work: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let (channels, width) = (self.channels, self.wide()[1]);
        if self.padding == [[0; 2]; 2] && stride == channels {
            return work(&image[..self.input_len()]);
        }
        let ([top, _], [left, _]) = (self.padding[0], self.padding[1]);
        scratch::with(self.wide_len(), |wide| {
            wide.fill(0.0);
            let lines = wide.chunks_exact_mut(width * channels).skip(top);
            for (row, line) in lines.take(self.height).enumerate() {
                let line = &mut line[left * channels..][..self.width * channels];
                let image = &image[row * self.width * stride..];
                if stride == channels {
                    line.copy_from_slice(&image[..line.len()]);
                    continue;
                }
                for (to, from) in line.chunks_exact_mut(channels).zip(image.chunks(stride)) {
                    to.copy_from_slice(&from[..channels]);
                }
            }
            work(wide)
        })
    }

    /// Copies an image without the zeros around it.
    pub(crate) fn without_zeros(&self, wide: &[f32], image: &mut [MaybeUninit<f32>]) {
        let (channels, width) = (self.channels, self.wide()[1]);
        let ([top, _], [left, _]) = (self.padding[0], self.padding[1]);
        let lines = wide.chunks_exact(width * channels).skip(top);
        let rows = image.chunks_exact_mut(self.width * channels);
        for (row, line) in rows.zip(lines) {
            row.write_copy_of_slice(&line[left * channels..][..self.width * channels]);
        }
    }
}

/// Where windows lie in an image with the zeros around it.
pub(crate) struct Offsets {
    /// For each window, its first value.
    pub(crate) windows: Vec<usize>,
    /// For each value of a window, how far it lies behind the first.
    pub(crate) values: Vec<usize>,
    /// How many values at a time lie side by side.
    pub(crate) run: usize,
    /// Floats of the image with its zeros; behind each window in it lie all values.
    pub(crate) len: usize,
}
