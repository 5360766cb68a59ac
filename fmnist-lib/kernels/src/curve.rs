//! What becomes of each value alone: the activation functions.

use crate::check_len;
use crate::simd::{Isa, LANES, Simd, kernel};
use rayon::prelude::*;

/// An activation function, as Keras and PyTorch have it, to the precision of `f32`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Curve {
    /// `max(0, x)`; its slope at 0 is 0, NaN stays NaN.
    Relu,
    /// `x` above 0, elsewhere `x` times this slope.
    LeakyRelu(f32),
    /// `x` above 0, `exp(x) - 1` elsewhere.
    Elu,
    /// `1.0507 x` above 0, `1.7581 (exp(x) - 1)` elsewhere.
    Selu,
    /// `x Φ(x)` with the normal distribution's Φ.
    Gelu,
    /// `x sigmoid(x)`
    Silu,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

const SELU_SCALE: f32 = 1.050_701;
const SELU_ALPHA: f32 = 1.673_263_2;

/// Values that one parallel task takes.
const PIECE: usize = 1 << 13;

impl Curve {
    /// Whether its slope needs `x`, and does not follow from the value alone.
    pub fn needs_sums(self) -> bool {
        match self {
            Self::Gelu | Self::Silu => true,
            // Below 0 its value is above 0.
            Self::LeakyRelu(slope) => slope < 0.0,
            _ => false,
        }
    }

    /// Replaces each `x` by its value.
    pub fn apply(self, isa: Isa, values: &mut [f32]) {
        let pieces = values.par_chunks_mut(PIECE);
        pieces.for_each(|values| apply(isa, self, values));
    }

    /// Makes the gradient of each `x` from that of its value `y`. Nobody looks at `x` unless
    /// [`needs_sums`](Self::needs_sums).
    ///
    /// # Panics
    /// When a slice that is looked at has the wrong length.
    pub fn backward(self, isa: Isa, x: &[f32], y: &[f32], gradient: &mut [f32]) {
        let what = "Curve::backward";
        check_len(what, "y", y.len(), gradient.len());
        let x = if self.needs_sums() { x } else { y };
        check_len(what, "x", x.len(), gradient.len());
        let values = x.par_chunks(PIECE).zip(y.par_chunks(PIECE));
        let pieces = gradient.par_chunks_mut(PIECE).zip(values);
        pieces.for_each(|(gradient, (x, y))| slopes(isa, self, x, y, gradient));
    }

    #[inline(always)]
    fn value<S: Simd>(self, s: S, x: S::F) -> S::F {
        let above = s.gt(x, s.zero());
        match self {
            Self::Relu => s.relu(x),
            Self::LeakyRelu(slope) => s.select(above, x, s.mul(x, s.splat(slope))),
            Self::Elu => s.select(above, x, exp_m1(s, x)),
            Self::Selu => {
                let below = s.mul(exp_m1(s, x), s.splat(SELU_ALPHA));
                s.mul(s.select(above, x, below), s.splat(SELU_SCALE))
            }
            Self::Gelu => s.mul(x, normal(s, x)),
            // Further below, the product is 0, and the bounds of exp would show.
            Self::Silu => s.mul(clamp(s, x, -87.0, f32::INFINITY), sigmoid(s, x)),
            Self::Sigmoid => sigmoid(s, x),
            Self::Tanh => tanh(s, x),
        }
    }

    /// The derivative at `x`, whose value is `y`.
    #[inline(always)]
    fn slope<S: Simd>(self, s: S, x: S::F, y: S::F) -> S::F {
        // Where the sign of x is not that of y, x is there.
        let (above, one) = (s.gt(x, s.zero()), s.splat(1.0));
        match self {
            Self::Relu => s.select(above, one, s.zero()),
            Self::LeakyRelu(slope) => s.select(above, one, s.splat(slope)),
            Self::Elu => s.select(above, one, s.add(y, one)),
            Self::Selu => {
                let below = s.add(y, s.splat(SELU_SCALE * SELU_ALPHA));
                s.select(above, s.splat(SELU_SCALE), below)
            }
            Self::Gelu => {
                let x = clamp(s, x, -14.0, 14.0); // where its density has come to 0
                let half = s.mul(s.mul(x, x), s.splat(-0.5));
                let density = s.mul(exp(s, half), s.splat(0.398_942_3));
                s.fma(x, density, normal(s, x))
            }
            Self::Silu => {
                let at = sigmoid(s, x);
                s.fma(y, s.sub(one, at), at)
            }
            Self::Sigmoid => s.mul(y, s.sub(one, y)),
            Self::Tanh => s.sub(one, s.mul(y, y)),
        }
    }
}

kernel! {
    fn apply => apply_body(curve: Curve, values: &mut [f32])
}

#[inline(always)]
fn apply_body<S: Simd>(s: S, curve: Curve, values: &mut [f32]) {
    for block in values.chunks_mut(LANES) {
        // SAFETY: the block is as long as it says.
        unsafe {
            let x = s.load_n(block.as_ptr(), block.len());
            s.store_n(block.as_mut_ptr(), curve.value(s, x), block.len());
        }
    }
}

kernel! {
    fn slopes => slopes_body(curve: Curve, x: &[f32], y: &[f32], gradient: &mut [f32])
}

#[inline(always)]
fn slopes_body<S: Simd>(s: S, curve: Curve, x: &[f32], y: &[f32], gradient: &mut [f32]) {
    let values = x.chunks(LANES).zip(y.chunks(LANES));
    for (gradient, (x, y)) in gradient.chunks_mut(LANES).zip(values) {
        let lanes = gradient.len();
        assert!(x.len() == lanes && y.len() == lanes);
        // SAFETY: all three are as long as the first.
        unsafe {
            let (x, y) = (s.load_n(x.as_ptr(), lanes), s.load_n(y.as_ptr(), lanes));
            let dy = s.load_n(gradient.as_ptr(), lanes);
            s.store_n(
                gradient.as_mut_ptr(),
                s.mul(dy, curve.slope(s, x, y)),
                lanes,
            );
        }
    }
}

/// `x` within bounds; NaN stays NaN.
#[inline(always)]
fn clamp<S: Simd>(s: S, x: S::F, low: f32, high: f32) -> S::F {
    let (low, high) = (s.splat(low), s.splat(high));
    let x = s.select(s.gt(x, high), high, x);
    s.select(s.gt(low, x), low, x)
}

/// A polynomial, its highest coefficient first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, coefficients: [f32; N]) -> S::F {
    let mut sum = s.splat(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = s.fma(sum, x, s.splat(*coefficient));
    }
    sum
}

/// `2^n` and `exp(f) - 1`, where `x = n ln 2 + f` with a small `f`: Cephes's `expf` (Moshier, 1992).
#[inline(always)]
fn exp_parts<S: Simd>(s: S, x: S::F) -> [S::F; 2] {
    // Where 2^n is a normal number.
    let x = clamp(s, x, -87.0, 88.0);
    // A float so large has no digits behind the point: what is added to it is rounded, and stands in its last bits.
    let large = s.splat(12_582_912.0 + 127.0);
    let rounded = s.fma(x, s.splat(std::f32::consts::LOG2_E), large);
    let n = s.sub(rounded, large);
    let f = s.fma(n, s.splat(-0.693_359_4), x);
    let f = s.fma(n, s.splat(2.121_944_4e-4), f);
    let taylor = [
        1.987_569_1e-4,
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5e-1,
    ];
    let rest = s.fma(polynomial(s, f, taylor), s.mul(f, f), f);
    [s.shift_to_exponent(rounded), rest]
}

#[inline(always)]
fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let [power, rest] = exp_parts(s, x);
    s.fma(power, rest, power)
}

/// `exp(x) - 1`, exact for small `x` too.
#[inline(always)]
fn exp_m1<S: Simd>(s: S, x: S::F) -> S::F {
    let [power, rest] = exp_parts(s, x);
    s.fma(power, rest, s.sub(power, s.splat(1.0)))
}

#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}

#[inline(always)]
fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let above = exp_m1(s, s.add(x, x));
    s.div(above, s.add(above, s.splat(2.0)))
}

/// The normal distribution's Φ, by the rational function for erf of Eigen and XLA.
#[inline(always)]
fn normal<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let bounded = clamp(s, x, -4.0, 4.0);
    let square = s.mul(bounded, bounded);
    let above = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let below = [
        -1.456_607_2e-5,
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329_2e-3,
        -1.426_473_9e-2,
    ];
    let above = s.mul(bounded, polynomial(s, square, above));
    let erf = s.div(above, polynomial(s, square, below));
    let erf = s.select(s.gt(x, s.splat(4.0)), s.splat(1.0), erf);
    let erf = s.select(s.gt(s.splat(-4.0), x), s.splat(-1.0), erf);
    s.fma(s.splat(0.5), erf, s.splat(0.5))
}
