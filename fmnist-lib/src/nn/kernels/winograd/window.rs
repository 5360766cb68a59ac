//! Reading and writing tiles where they are: in an image, or spread over the 25 points.

use super::Conv;
use super::transform::INPUT;
use crate::nn::kernels::simd::{LANES, Simd, unroll};

/// A tile of `N x N` pixels in an image, cut off at the image's edge.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// Floats between rows and columns.
    pub(super) row: usize,
    pub(super) column: usize,
    /// Rows, columns and channels that exist.
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) lanes: usize,
}

impl Window {
    /// The 3x3 weights of one input and up to 16 outputs from `first` on.
    #[inline(always)]
    pub(super) fn of_weights(conv: &Conv, first: usize) -> Self {
        Self {
            row: 3 * conv.inputs * conv.outputs,
            column: conv.inputs * conv.outputs,
            rows: 3,
            columns: 3,
            lanes: (conv.outputs - first).min(LANES),
        }
    }

    /// The tile at `p`, zeros beyond the edge.
    ///
    /// # Safety
    /// The existing rows, columns and channels at `p` are readable.
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd, const N: usize>(
        self,
        s: S,
        p: *const f32,
    ) -> [[S::F; N]; N] {
        let mut tile = [[s.zero(); N]; N];
        let whole = self.rows >= N && self.columns >= N && self.lanes == LANES;
        unroll!(i < N, {
            unroll!(j < N, {
                let at = p.wrapping_add(self.offset(i, j));
                // SAFETY: only what exists is read.
                unsafe {
                    if whole {
                        tile[i][j] = s.load(at);
                    } else if i < self.rows && j < self.columns {
                        tile[i][j] = s.load_n(at, self.lanes);
                    }
                }
            });
        });
        tile
    }

    /// Stores what exists of a tile; `add`s it to what is there.
    ///
    /// # Safety
    /// The existing rows, columns and channels at `p` are writable, and readable to be added to.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd, const N: usize, const ADD: bool>(
        self,
        s: S,
        p: *mut f32,
        tile: [[S::F; N]; N],
    ) {
        let whole = self.rows >= N && self.columns >= N && self.lanes == LANES;
        unroll!(i < N, {
            unroll!(j < N, {
                let at = p.wrapping_add(self.offset(i, j));
                let x = tile[i][j];
                // SAFETY: only what exists is touched.
                unsafe {
                    if whole {
                        s.store(at, if ADD { s.add(s.load(at), x) } else { x });
                    } else if i < self.rows && j < self.columns {
                        let x = if ADD {
                            s.add(s.load_n(at, self.lanes), x)
                        } else {
                            x
                        };
                        s.store_n(at, x, self.lanes);
                    }
                }
            });
        });
    }

    #[inline(always)]
    fn offset(self, i: usize, j: usize) -> usize {
        i.wrapping_mul(self.row)
            .wrapping_add(j.wrapping_mul(self.column))
    }
}

/// The window of points that a transform writes: `N x N` vectors `point` floats apart.
pub(super) fn points(point: usize) -> Window {
    Window {
        row: INPUT * point,
        column: point,
        rows: INPUT,
        columns: INPUT,
        lanes: LANES,
    }
}
