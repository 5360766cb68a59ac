//! The one matrix product under the dense layers and the convolutions.
//!
//! `C (+)= A B`, where A may be read along rows or columns, or number by number where it lies in an image, and B is stored
//! in panels of columns.
//!
//! An AVX-512 core multiplies and adds one vector per cycle, so the operands must come from registers:
//! a tile of 6 rows x 4 vectors of the result (12 x 2 for 32 columns) is summed in 24 registers over
//! the whole depth, each step loading 4 vectors of one matrix and broadcasting 6 numbers of the other.
//! AVX2 has half the registers, of half the width, and takes 6 x 1, as does NEON, whose 32 registers
//! have a quarter of the width. Transposed operands are read in
//! place by their strides where that is fast, or copied side by side where each number would cost a
//! page of its own (`dense`).

use super::simd::{LANES, Simd};

/// Steps of a sum by which a matrix that is far is fetched before it is read: about as long as memory takes.
const AHEAD: usize = 32;

/// Where the elements of A lie.
pub(super) trait Left: Copy {
    /// Whether its columns may lie in memory, where no cache expects them to be read.
    const IS_FAR: bool;
    /// `A[i][0]`
    fn row(self, i: usize) -> *const f32;
    /// How far `A[i][k]` lies behind `A[i][0]`.
    fn step(self, k: usize) -> usize;
}

/// A matrix whose rows, and the elements of each row, are equally far apart.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    pub(super) a: *const f32,
    pub(super) row: usize,
    pub(super) step: usize,
}

impl Left for Strided {
    const IS_FAR: bool = false;

    #[inline(always)]
    fn row(self, i: usize) -> *const f32 {
        self.a.wrapping_add(i * self.row)
    }
    #[inline(always)]
    fn step(self, k: usize) -> usize {
        k * self.step
    }
}

/// A matrix that exists nowhere: `A[i][k]` is the number at `a + rows[i] + steps[k]`. So windows are read where they
/// lie in an image, however much they overlap.
#[derive(Clone, Copy)]
pub(super) struct Scattered<'a> {
    pub(super) a: *const f32,
    pub(super) rows: &'a [usize],
    pub(super) steps: &'a [usize],
}

impl Left for Scattered<'_> {
    const IS_FAR: bool = true;

    #[inline(always)]
    fn row(self, i: usize) -> *const f32 {
        self.a.wrapping_add(self.rows[i])
    }
    #[inline(always)]
    fn step(self, k: usize) -> usize {
        self.steps[k]
    }
}

/// `C[m][n] (+)= sum over k of A[m][k] * B[k][n]`
#[derive(Clone, Copy)]
pub(super) struct Product<A> {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) a: A,
    /// `B[i][j]` lies at `b + (j / S::PANEL) * b_panel + i * b_row + j % S::PANEL`.
    pub(super) b: *const f32,
    pub(super) b_row: usize,
    pub(super) b_panel: usize,
    /// `C[i][j]` lies at `c + i * c_row + j`.
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    /// Add to C instead of overwriting it.
    pub(super) accumulate: bool,
}

impl<A: Left> Product<A> {
    /// Computes the product.
    ///
    /// # Safety
    /// All elements of A named above are valid for reading, those of C for writing and, to be added
    /// to, for reading; the rows of B are readable up to `n` rounded up to 16 columns; C overlaps
    /// neither A nor B.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(self, s: S) {
        let mut column = 0;
        while column < self.n {
            let vectors = (self.n - column).div_ceil(LANES).min(S::MAX_NR);
            let strip = Strip {
                b: self.b.wrapping_add(column / S::PANEL * self.b_panel),
                c: self.c.wrapping_add(column),
                last: (self.n - column - (vectors - 1) * LANES).min(LANES),
            };
            // SAFETY: the strip covers columns `column..column + 16 * vectors` of one panel, cut at
            // n; the caller vouches for the matrices.
            unsafe {
                match vectors {
                    4 => self.rows::<S, 6, 4>(s, strip),
                    3 => self.rows::<S, 8, 3>(s, strip),
                    2 => self.rows::<S, 12, 2>(s, strip),
                    _ if S::MAX_NR > 1 => self.rows::<S, 14, 1>(s, strip),
                    _ => self.rows::<S, 6, 1>(s, strip),
                }
            }
            column += vectors * LANES;
        }
    }

    /// One strip of `NR` vectors, `MR` rows at a time.
    ///
    /// # Safety
    /// As for [`Product::run`], for the columns of the strip.
    #[inline(always)]
    unsafe fn rows<S: Simd, const MR: usize, const NR: usize>(self, s: S, strip: Strip) {
        if NR > S::MAX_NR {
            return;
        }
        let mut row = 0;
        while row < self.m {
            let left = self.m - row;
            // SAFETY: each tile ends at or before row m.
            row += unsafe {
                if left >= MR {
                    self.tile::<S, MR, NR>(s, strip, row)
                } else if left >= 4 {
                    self.tile::<S, 4, NR>(s, strip, row)
                } else if left >= 2 {
                    self.tile::<S, 2, NR>(s, strip, row)
                } else {
                    self.tile::<S, 1, NR>(s, strip, row)
                }
            };
        }
    }

    /// Rows `row..row + MR` of a strip, held in registers over all of k; returns `MR`.
    ///
    /// # Safety
    /// As for [`Product::run`], for the tile.
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize, const NR: usize>(
        self,
        s: S,
        strip: Strip,
        row: usize,
    ) -> usize {
        let mut acc = [[s.zero(); NR]; MR];
        let mut a = [self.a.row(row); MR];
        let mut c = [strip.c; MR];
        for i in 0..MR {
            a[i] = self.a.row(row + i);
            c[i] = strip.c.wrapping_add((row + i) * self.c_row);
        }
        let mut b = strip.b;
        // SAFETY: the pointers walk over the elements that the caller vouches for: k steps through
        // A and B, and `NR` vectors of C of which the last has `strip.last` lanes.
        unsafe {
            if self.accumulate {
                for (acc, c) in acc.iter_mut().zip(c) {
                    for (j, acc) in acc.iter_mut().enumerate() {
                        let lanes = if j + 1 == NR { strip.last } else { LANES };
                        *acc = s.load_n(c.wrapping_add(j * LANES), lanes);
                    }
                }
            }
            for k in 0..self.k {
                let step = self.a.step(k);
                if A::IS_FAR && NR > 1 {
                    let ahead = self.a.step((k + AHEAD).min(self.k - 1));
                    s.prefetch(a[0].wrapping_add(ahead));
                }
                let mut columns = [s.zero(); NR];
                for (j, column) in columns.iter_mut().enumerate() {
                    *column = s.load(b.wrapping_add(j * LANES));
                }
                for (acc, a) in acc.iter_mut().zip(a) {
                    let x = s.broadcast(a.wrapping_add(step));
                    for (acc, column) in acc.iter_mut().zip(columns) {
                        *acc = s.fma(x, column, *acc);
                    }
                }
                b = b.wrapping_add(self.b_row);
            }
            for (acc, c) in acc.into_iter().zip(c) {
                for (j, acc) in acc.into_iter().enumerate() {
                    let lanes = if j + 1 == NR { strip.last } else { LANES };
                    s.store_n(c.wrapping_add(j * LANES), acc, lanes);
                }
            }
        }
        MR
    }
}

/// Up to four vectors of columns, all in one panel of B.
#[derive(Clone, Copy)]
struct Strip {
    b: *const f32,
    c: *mut f32,
    /// Lanes of the last vector that exist in C.
    last: usize,
}

/// How a `k x n` matrix is stored as B: panel after panel, zero columns up to a multiple of 16.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    /// Floats between two rows of a panel.
    pub(super) row: usize,
    /// Floats between two panels.
    pub(super) panel: usize,
    /// Floats in all.
    pub(super) len: usize,
}

impl Panels {
    /// For an instruction set whose panels have `width` columns.
    pub(super) fn new(width: usize, k: usize, n: usize) -> Self {
        let row = n.next_multiple_of(LANES).clamp(LANES, width);
        let panel = k * row;
        Self {
            row,
            panel,
            len: n.div_ceil(row) * panel,
        }
    }

    /// A row-major matrix as it is; its columns must be whole vectors.
    pub(super) fn row_major(width: usize, k: usize, n: usize) -> Self {
        Self {
            row: n,
            panel: width,
            len: k * n,
        }
    }

    /// Where element `[i][j]` lies.
    #[inline(always)]
    pub(super) fn at(self, i: usize, j: usize) -> usize {
        j / self.row * self.panel + i * self.row + j % self.row
    }
}

/// Floats between the rows of a matrix of `n` columns that serves as A and as B: whole vectors, and
/// not a multiple of 128 bytes for long rows, where a panel would fall into half of the first-level
/// cache.
pub(super) fn row_stride(n: usize) -> usize {
    let padded = n.next_multiple_of(LANES);
    if padded > 4 * LANES && padded.is_multiple_of(2 * LANES) {
        padded + LANES
    } else {
        padded
    }
}
