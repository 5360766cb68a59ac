//! Reading and writing tiles where they are: in an image, or spread over the 25 points.

use super::Conv;
use super::tiles::Tiles;
use crate::simd::{LANES, Simd};

/// A tile of `N x N` pixels in an image, cut off at the image's edges.
#[derive(Clone, Copy)]
pub(super) struct Window {
    /// Floats between rows and columns.
    row: usize,
    column: usize,
    /// Rows and columns that lie before the image's first.
    above: usize,
    left: usize,
    /// Rows and columns up to the image's last; channels that exist.
    rows: usize,
    columns: usize,
    pub(super) lanes: usize,
}

impl Window {
    /// The weights of one input and up to 16 outputs from `first` on.
    #[inline(always)]
    pub(super) fn of_weights(conv: &Conv, first: usize) -> Self {
        Self {
            row: conv.window * conv.inputs * conv.outputs,
            column: conv.inputs * conv.outputs,
            above: 0,
            left: 0,
            rows: conv.window,
            columns: conv.window,
            lanes: (conv.outputs - first).min(LANES),
        }
    }

    /// A tile of the input, up to 16 channels from `first` on, and the place of its corner, which
    /// may lie before the images where they are padded.
    #[inline(always)]
    pub(super) fn of_input(conv: &Conv, tiles: &Tiles, tile: usize, first: usize) -> (usize, Self) {
        let (image, row, column) = tiles.corner(tile);
        let padding = conv.padding;
        let row_of_all = (image * conv.height + row).wrapping_sub(padding);
        let pixel = row_of_all.wrapping_mul(conv.width).wrapping_add(column);
        let pixel = pixel.wrapping_sub(padding);
        let window = Self {
            row: conv.width * conv.inputs,
            column: conv.inputs,
            above: padding.saturating_sub(row),
            left: padding.saturating_sub(column),
            rows: (conv.height + padding).saturating_sub(row),
            columns: (conv.width + padding).saturating_sub(column),
            lanes: (conv.inputs - first).min(LANES),
        };
        (pixel.wrapping_mul(conv.inputs).wrapping_add(first), window)
    }

    /// A tile of the output, up to 16 channels from `first` on, and the pixel at its corner, counted
    /// through all images.
    #[inline(always)]
    pub(super) fn of_output(
        conv: &Conv,
        tiles: &Tiles,
        tile: usize,
        first: usize,
    ) -> (usize, Self) {
        let (image, row, column) = tiles.corner(tile);
        let (height, width) = conv.output_size();
        let window = Self {
            row: width * conv.outputs,
            column: conv.outputs,
            above: 0,
            left: 0,
            rows: height - row,
            columns: width - column,
            lanes: (conv.outputs - first).min(LANES),
        };
        ((image * height + row) * width + column, window)
    }

    #[inline(always)]
    fn is_whole<const N: usize>(&self) -> bool {
        let rows = self.above == 0 && self.rows >= N;
        rows && self.left == 0 && self.columns >= N && self.lanes == LANES
    }

    /// Whether the pixel in row `i` and column `j` of the tile exists.
    #[inline(always)]
    pub(super) fn has(&self, i: usize, j: usize) -> bool {
        let row = self.above <= i && i < self.rows;
        row && self.left <= j && j < self.columns
    }

    /// The tile at `p`, zeros beyond the edges.
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
        let whole = self.is_whole::<N>();
        for (i, row) in tile.iter_mut().enumerate() {
            for (j, x) in row.iter_mut().enumerate() {
                let at = p.wrapping_add(self.offset(i, j));
                // SAFETY: only what exists is read.
                unsafe {
                    if whole {
                        *x = s.load(at);
                    } else if self.has(i, j) {
                        *x = s.load_n(at, self.lanes);
                    }
                }
            }
        }
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
        tile: &[[S::F; N]; N],
    ) {
        let whole = self.is_whole::<N>();
        for (i, row) in tile.iter().enumerate() {
            for (j, &x) in row.iter().enumerate() {
                let at = p.wrapping_add(self.offset(i, j));
                // SAFETY: only what exists is touched.
                unsafe {
                    if whole {
                        s.store(at, if ADD { s.add(s.load(at), x) } else { x });
                    } else if self.has(i, j) {
                        let x = if ADD {
                            s.add(s.load_n(at, self.lanes), x)
                        } else {
                            x
                        };
                        s.store_n(at, x, self.lanes);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn offset(self, i: usize, j: usize) -> usize {
        i * self.row + j * self.column
    }
}

/// The window of points that a transform writes: `N x N` vectors `point` floats apart.
pub(super) fn points<const N: usize>(point: usize) -> Window {
    Window {
        row: N * point,
        column: point,
        above: 0,
        left: 0,
        rows: N,
        columns: N,
        lanes: LANES,
    }
}
