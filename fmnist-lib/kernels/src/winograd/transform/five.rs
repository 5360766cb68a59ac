//! F(3, 3): three outputs of a three-tap correlation from five products.
//!
//! With the interpolation points 0, 1, -1, 2 and infinity,
//!
//! ```text
//!        | 1  1  1  1  0 |         |  1/2   0    0  |          | 2 -1 -2  1  0 |
//! A^T =  | 0  1 -1  2  0 |    G =  | -1/2 -1/2 -1/2 |   B^T =  | 0 -2 -1  1  0 |
//!        | 0  1  1  4  1 |         | -1/6  1/6 -1/6 |          | 0  2 -3  1  0 |
//!                                  |  1/6  1/3  2/3 |          | 0 -1  0  1  0 |
//!                                  |   0    0    1  |          | 0  2 -1 -2  1 |
//! ```

use super::{Map, Transform};
use crate::simd::Simd;

/// Tiles of 3x3 outputs of 3x3 windows.
pub(in super::super) struct F3x3;

impl Transform<5, 3, 3> for F3x3 {
    type Input = Input;
    type InputTransposed = InputTransposed;
    type Output = Output;
    type OutputTransposed = OutputTransposed;
    type Weights = Weights;
    type WeightsTransposed = WeightsTransposed;
}

/// `B^T`: a tile of the input.
pub(in super::super) struct Input;
impl Map<5, 5> for Input {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [d0, d1, d2, d3, d4]: [S::F; 5]) -> [S::F; 5] {
        let two = s.splat(2.0);
        let minus_two = s.splat(-2.0);
        let a = s.sub(d3, d1);
        let b = s.sub(d3, d2);
        [
            s.fma(two, s.sub(d0, d2), a),
            s.fma(minus_two, d1, b),
            s.fma(two, s.sub(d1, d2), b),
            a,
            s.fma(minus_two, a, s.sub(d4, d2)),
        ]
    }
}

/// `B`: back to the gradient of a tile of the input.
pub(in super::super) struct InputTransposed;
impl Map<5, 5> for InputTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [v0, v1, v2, v3, v4]: [S::F; 5]) -> [S::F; 5] {
        let two = s.splat(2.0);
        let minus_two = s.splat(-2.0);
        let a = s.add(v0, v3);
        let b = s.add(v1, v2);
        [
            s.add(v0, v0),
            // -(v0 + v3) + 2 (v2 - v1 + v4)
            s.sub(s.mul(two, s.add(s.sub(v2, v1), v4)), a),
            // -(v1 + v2 + v4) - 2 (v0 + v2)
            s.sub(s.mul(minus_two, s.add(v0, v2)), s.add(b, v4)),
            s.fma(minus_two, v4, s.add(a, b)),
            v4,
        ]
    }
}

/// `A^T`: from the products to a tile of the output.
pub(in super::super) struct Output;
impl Map<5, 3> for Output {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [m0, m1, m2, m3, m4]: [S::F; 5]) -> [S::F; 3] {
        let sum = s.add(m1, m2);
        [
            s.add(s.add(m0, m3), sum),
            s.fma(s.splat(2.0), m3, s.sub(m1, m2)),
            s.fma(s.splat(4.0), m3, s.add(sum, m4)),
        ]
    }
}

/// `A`: a tile of the output's gradient.
pub(in super::super) struct OutputTransposed;
impl Map<3, 5> for OutputTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [y0, y1, y2]: [S::F; 3]) -> [S::F; 5] {
        let even = s.add(y0, y2);
        let twice = s.fma(s.splat(2.0), y1, y0);
        [
            y0,
            s.add(even, y1),
            s.sub(even, y1),
            s.fma(s.splat(4.0), y2, twice),
            y2,
        ]
    }
}

/// `G`: the weights.
pub(in super::super) struct Weights;
impl Map<3, 5> for Weights {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [g0, g1, g2]: [S::F; 3]) -> [S::F; 5] {
        let even = s.add(g0, g2);
        let sixth = s.splat(1.0 / 6.0);
        let half = s.splat(0.5);
        let odd = s.fma(s.splat(4.0), g2, s.add(g1, g1));
        [
            s.mul(half, g0),
            s.mul(s.splat(-0.5), s.add(even, g1)),
            s.mul(sixth, s.sub(g1, even)),
            s.mul(sixth, s.add(g0, odd)),
            g2,
        ]
    }
}

/// `G^T`: back to the gradient of the weights.
pub(in super::super) struct WeightsTransposed;
impl Map<5, 3> for WeightsTransposed {
    #[inline(always)]
    fn apply<S: Simd>(s: S, [u0, u1, u2, u3, u4]: [S::F; 5]) -> [S::F; 3] {
        let minus_half = s.splat(-0.5);
        let sixth = s.splat(1.0 / 6.0);
        let third = s.splat(1.0 / 3.0);
        let half1 = s.mul(minus_half, u1);
        [
            s.fma(minus_half, s.sub(u1, u0), s.mul(sixth, s.sub(u3, u2))),
            s.fma(third, u3, s.fma(sixth, u2, half1)),
            s.add(
                s.fma(
                    s.splat(2.0 / 3.0),
                    u3,
                    s.fma(s.splat(-1.0 / 6.0), u2, half1),
                ),
                u4,
            ),
        ]
    }
}
