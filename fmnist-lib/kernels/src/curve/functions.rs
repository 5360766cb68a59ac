//! The functions that the curves are made of, to the precision of `f32`.

use crate::simd::Simd;

/// `x` within bounds; NaN stays NaN.
#[inline(always)]
pub(super) fn clamp<S: Simd>(s: S, x: S::F, low: f32, high: f32) -> S::F {
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
pub(super) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let [power, rest] = exp_parts(s, x);
    s.fma(power, rest, power)
}

/// `exp(x) - 1`, exact for small `x` too.
#[inline(always)]
pub(super) fn exp_m1<S: Simd>(s: S, x: S::F) -> S::F {
    let [power, rest] = exp_parts(s, x);
    s.fma(power, rest, s.sub(power, s.splat(1.0)))
}

#[inline(always)]
pub(super) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.zero(), x))))
}

#[inline(always)]
pub(super) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let above = exp_m1(s, s.add(x, x));
    s.div(above, s.add(above, s.splat(2.0)))
}

/// The normal distribution's Φ, by the rational function for erf of Eigen and XLA.
#[inline(always)]
pub(super) fn normal<S: Simd>(s: S, x: S::F) -> S::F {
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
