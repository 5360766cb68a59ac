//! The one-dimensional transforms of `F(M, R)`: `M` outputs of a correlation with `R` taps from
//! `N = M + R - 1` products, on sixteen channels at a time.
//!
//! `y = A^T [(G g) * (B^T d)]` for matrices that follow from `N - 1` interpolation points and infinity
//! (S. Winograd, Arithmetic Complexity of Computations, 1980; for convolutions A. Lavin and S. Gray,
//! arXiv:1509.09308). The gradients are the transposes of the same maps: with respect to the input
//! `B [(G g) * (A dy)]` and to the weights `G^T [(B^T d) * (A dy)]`.

mod five;
mod pairs;

pub(super) use five::F3x3;
pub(super) use pairs::{F4x3, F4x5};

use crate::simd::Simd;

/// A linear map of `N` vectors to `M`.
pub(super) trait Map<const N: usize, const M: usize> {
    fn apply<S: Simd>(s: S, x: [S::F; N]) -> [S::F; M];
}

/// The six maps of an algorithm with `N` inputs, `M` outputs and `R` taps along an axis.
pub(super) trait Transform<const N: usize, const M: usize, const R: usize> {
    /// `B^T`: a tile of the input.
    type Input: Map<N, N>;
    /// `B`: back to the gradient of a tile of the input.
    type InputTransposed: Map<N, N>;
    /// `A^T`: from the products to a tile of the output.
    type Output: Map<N, M>;
    /// `A`: a tile of the output's gradient.
    type OutputTransposed: Map<M, N>;
    /// `G`: the weights.
    type Weights: Map<R, N>;
    /// `G^T`: back to the gradient of the weights.
    type WeightsTransposed: Map<N, R>;
}

/// An algorithm, known at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// Tiles of 3x3 outputs of 3x3 windows.
    F3x3,
    /// Tiles of 4x4 outputs of 3x3 windows.
    F4x3,
    /// Tiles of 4x4 outputs of 5x5 windows.
    F4x5,
}

impl Algorithm {
    /// Outputs of a tile, along one axis, and how far apart tiles are.
    pub(super) fn output(self) -> usize {
        match self {
            Self::F3x3 => 3,
            Self::F4x3 | Self::F4x5 => 4,
        }
    }

    /// Points of a transformed tile.
    pub(super) fn points(self) -> usize {
        match self {
            Self::F3x3 => 5 * 5,
            Self::F4x3 => 6 * 6,
            Self::F4x5 => 8 * 8,
        }
    }
}

/// Calls a function that is generic over [`Transform`] for an [`Algorithm`].
macro_rules! with_transform {
    ($algorithm:expr, $function:ident($($arg:expr),* $(,)?)) => {{
        use $crate::winograd::transform::{Algorithm, F3x3, F4x3, F4x5};
        match $algorithm {
            Algorithm::F3x3 => $function::<_, F3x3, 5, 3, 3>($($arg),*),
            Algorithm::F4x3 => $function::<_, F4x3, 6, 4, 3>($($arg),*),
            Algorithm::F4x5 => $function::<_, F4x5, 8, 4, 5>($($arg),*),
        }
    }};
}
pub(super) use with_transform;

/// `map` along the columns, then along the rows of an `N x N` tile.
#[inline(always)]
pub(super) fn both_axes<S: Simd, T: Map<N, M>, const N: usize, const M: usize>(
    s: S,
    x: &[[S::F; N]; N],
) -> [[S::F; M]; M] {
    let mut half = [[s.zero(); N]; M];
    for j in 0..N {
        let mut column = [s.zero(); N];
        for i in 0..N {
            column[i] = x[i][j];
        }
        let column = T::apply(s, column);
        for i in 0..M {
            half[i][j] = column[i];
        }
    }
    let mut out = [[s.zero(); M]; M];
    for i in 0..M {
        out[i] = T::apply(s, half[i]);
    }
    out
}
