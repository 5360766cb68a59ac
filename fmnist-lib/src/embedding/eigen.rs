//! Eigenvalues of a small symmetric matrix.

/// Enough for any matrix: each sweep squares what is left beside the diagonal (Golub & Van Loan, 8.5).
const SWEEPS: usize = 60;

/// Eigenvalues, largest first, and for each the unit vector that belongs to it, by Jacobi's rotations. `matrix` is symmetric,
/// row by row.
pub(super) fn symmetric(mut matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let size = matrix.len();
    let unit = |row: usize| (0..size).map(move |column| f64::from(u8::from(row == column)));
    // Row by row the transposed eigenvectors.
    let mut vectors: Vec<Vec<f64>> = (0..size).map(|row| unit(row).collect()).collect();
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..size {
            for q in p + 1..size {
                turned |= turn(&mut matrix, &mut vectors, p, q);
            }
        }
        if !turned {
            break;
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..size).map(|at| matrix[at][at]).zip(vectors).collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    pairs
}

/// Turns the axes `p` and `q` so that nothing is left at (p, q); false where nothing was.
fn turn(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) -> bool {
    let beside = matrix[p][q];
    let scale = matrix[p][p].abs() + matrix[q][q].abs();
    if beside == 0.0 || beside.abs() <= f64::EPSILON * 1e-3 * scale {
        return false;
    }
    let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * beside);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let rotate = |a: &mut f64, b: &mut f64| {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    };
    for row in matrix.iter_mut() {
        let (left, right) = row.split_at_mut(q);
        rotate(&mut left[p], &mut right[0]);
    }
    for both in [matrix, vectors] {
        let (above, below) = both.split_at_mut(q);
        let pairs = above[p].iter_mut().zip(&mut below[0]);
        pairs.for_each(|(a, b)| rotate(a, b));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::symmetric;

    /// The second difference on a line of points has known eigenvalues: 2 - 2 cos(πk / (n + 1)).
    #[test]
    fn eigenvalues_and_vectors_of_a_known_matrix() {
        const SIZE: usize = 20;
        let value = |row: usize, column: usize| match row.abs_diff(column) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let row = |row: usize| (0..SIZE).map(|column| value(row, column)).collect();
        let matrix: Vec<Vec<f64>> = (0..SIZE).map(row).collect();
        let pairs = symmetric(matrix.clone());
        for (k, (found, vector)) in (1..=SIZE).rev().zip(&pairs) {
            let angle = std::f64::consts::PI * k as f64 / (SIZE + 1) as f64;
            assert!((found - (2.0 - 2.0 * angle.cos())).abs() < 1e-13, "{found}");
            for (row, part) in matrix.iter().zip(vector) {
                let product: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
                assert!((product - found * part).abs() < 1e-13);
            }
        }
        assert!(symmetric(Vec::new()).is_empty());
        assert_eq!(symmetric(vec![vec![3.0]]), [(3.0, vec![1.0])]);
    }
}
