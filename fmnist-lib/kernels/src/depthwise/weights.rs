//! What an image says of the weights.

use super::slide::Block;
use crate::Windows;
use crate::simd::{LANES, Simd, kernel};

kernel! {
    /// Adds what an image with its zeros says of the weights.
    pub(super) fn add_weights => add_weights_body(
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

impl Block {
    /// Adds to the gradients of `N` weights beside each other, from tap `(down, right)` on, what the row says.
    ///
    /// # Safety
    /// There are so many; the row and the channels exist, `x` is an image with its zeros, and `dy` is of its output.
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
