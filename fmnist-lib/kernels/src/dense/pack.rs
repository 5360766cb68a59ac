//! Weights copied to where the matrix product reads them fast.

use super::DEPTH;
use crate::gemm::Panels;
use rayon::prelude::*;

/// Stores a row-major matrix of `columns` columns as panels.
pub(crate) fn as_is(matrix: &[f32], columns: usize, panels: Panels, packed: &mut [f32]) {
    let rows = DEPTH.min(panels.panel / panels.row);
    for (p, panel) in packed.chunks_mut(panels.panel).enumerate() {
        let first = p * panels.row;
        let width = (columns - first).min(panels.row);
        let parts = panel
            .par_chunks_mut(rows * panels.row)
            .zip(matrix.par_chunks(rows * columns));
        parts.for_each(|(panel, matrix)| {
            for (to, from) in panel.chunks_mut(panels.row).zip(matrix.chunks(columns)) {
                to[..width].copy_from_slice(&from[first..first + width]);
                to[width..].fill(0.0);
            }
        });
    }
}

/// Stores the transpose of a row-major matrix of `columns` columns as panels.
pub(crate) fn transposed(matrix: &[f32], columns: usize, panels: Panels, packed: &mut [f32]) {
    let parts = packed
        .par_chunks_mut(panels.panel)
        .zip(matrix.par_chunks(panels.row * columns));
    parts.for_each(|(panel, matrix)| {
        if matrix.len() < panels.row * columns {
            panel.fill(0.0);
        }
        for (j, from) in matrix.chunks_exact(columns).enumerate() {
            for (to, &x) in panel.chunks_exact_mut(panels.row).zip(from) {
                to[j] = x;
            }
        }
    });
}
