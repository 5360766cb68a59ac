//! Pools window by window, sixteen channels at a time.

mod largest;
mod means;

pub(super) use largest::{largest, to_largest};
pub(super) use means::{means, to_all};

use crate::Windows;
use crate::simd::{LANES, Simd};

/// What is done with each window, for 16 channels or fewer at a time.
trait Task<S: Simd>: Copy {
    /// What is known before the first pixel, and what is carried from pixel to pixel.
    type State;

    /// Before the pixels, of which there are so many; `at` is the first channel's place in the output.
    ///
    /// # Safety
    /// `lanes` channels of the output exist from `at` on.
    unsafe fn begin(self, s: S, pixels: usize, at: usize, lanes: usize) -> Self::State;

    /// A pixel, whose first channel is at this place in the image.
    ///
    /// # Safety
    /// `lanes` channels of the image exist from `at` on.
    unsafe fn pixel(self, s: S, state: &mut Self::State, at: usize, lanes: usize);

    /// After the pixels.
    ///
    /// # Safety
    /// `lanes` channels of the output exist from `at` on.
    unsafe fn end(self, s: S, state: Self::State, at: usize, lanes: usize);
}

/// A window, and the pixels in it.
#[derive(Clone, Copy)]
struct Window {
    /// Its first value in the output.
    at: usize,
    /// Its first pixel's first value.
    first: usize,
    /// Rows and columns of pixels; without the zeros around the image.
    rows: usize,
    columns: usize,
    /// Values from a row of the image to the next, and of a pixel.
    width: usize,
    channels: usize,
}

/// Does the task for all windows of an image.
///
/// # Safety
/// The task's image and output are of these windows.
#[inline(always)]
unsafe fn each<S: Simd, T: Task<S>>(s: S, windows: Windows, task: T) {
    let channels = windows.channels;
    let whole = channels - channels % LANES;
    let [rows, columns] = windows.output_size();
    for row in 0..rows {
        let (down, top) = windows.inside(0, row);
        for column in 0..columns {
            let (right, left) = windows.inside(1, column);
            let window = Window {
                at: (row * columns + column) * channels,
                first: (top * windows.width + left) * channels,
                rows: down.len(),
                columns: right.len(),
                width: windows.width * channels,
                channels,
            };
            // SAFETY: `lanes` channels from `first` on exist at each pixel of the image and at each window.
            unsafe {
                for first in (0..whole).step_by(LANES) {
                    window.visit(s, task, first, LANES);
                }
                if whole < channels {
                    window.visit(s, task, whole, channels - whole);
                }
            }
        }
    }
}

impl Window {
    /// # Safety
    /// `lanes` channels from `first` on exist at each pixel of the task's image and in its output.
    #[inline(always)]
    unsafe fn visit<S: Simd, T: Task<S>>(self, s: S, task: T, first: usize, lanes: usize) {
        // SAFETY: as the caller says.
        unsafe {
            let mut state = task.begin(s, self.rows * self.columns, self.at + first, lanes);
            // Loops whose ends the compiler knows are several times as fast.
            match (self.rows, self.columns) {
                (2, 2) => self.pixels(s, task, &mut state, [2, 2], first, lanes),
                (3, 3) => self.pixels(s, task, &mut state, [3, 3], first, lanes),
                (rows, columns) => self.pixels(s, task, &mut state, [rows, columns], first, lanes),
            }
            task.end(s, state, self.at + first, lanes);
        }
    }

    /// # Safety
    /// As for [`Window::visit`].
    #[inline(always)]
    unsafe fn pixels<S: Simd, T: Task<S>>(
        self,
        s: S,
        task: T,
        state: &mut T::State,
        [rows, columns]: [usize; 2],
        first: usize,
        lanes: usize,
    ) {
        for row in 0..rows {
            for column in 0..columns {
                let at = self.first + row * self.width + column * self.channels + first;
                // SAFETY: as the caller says.
                unsafe { task.pixel(s, state, at, lanes) };
            }
        }
    }
}
