//! What becomes of each value alone: the activation functions.

mod functions;

use crate::check_len;
use crate::output::refill;
use crate::simd::{Isa, LANES, Simd, kernel};
use functions::{clamp, exp, exp_m1, normal, sigmoid, tanh};
use rayon::prelude::*;
use std::mem::MaybeUninit;

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

    /// Makes `y` the value of each `x`.
    pub fn forward(self, isa: Isa, x: &[f32], y: &mut Vec<f32>) {
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let pieces = y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE));
            pieces.for_each(|(y, x)| values(isa, self, x, y));
        };
        // SAFETY: all values are written.
        unsafe { refill(y, x.len(), fill) };
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
    fn values => values_body(curve: Curve, x: &[f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn values_body<S: Simd>(s: S, curve: Curve, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    for (x, y) in x.chunks(LANES).zip(y.chunks_mut(LANES)) {
        assert!(x.len() == y.len());
        // SAFETY: both are as long as the first.
        unsafe {
            let value = curve.value(s, s.load_n(x.as_ptr(), x.len()));
            s.store_n(y.as_mut_ptr().cast(), value, x.len());
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
