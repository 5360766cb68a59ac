//! One pass of Adam over a parameter.

use super::simd::{Isa, LANES, Simd, kernel};
use rayon::prelude::*;

/// The settings of Adam, in Keras's form; the default is Keras's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    /// Step size (default 0.001).
    pub learning_rate: f64,
    /// Decay of the mean of the gradients (default 0.9).
    pub beta1: f64,
    /// Decay of the mean of their squares (default 0.999).
    pub beta2: f64,
    /// Added to the uncorrected root of the mean square, the paper's "epsilon hat" (default 1e-7).
    pub epsilon: f64,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-7,
        }
    }
}

/// Floats per parallel task.
const TASK: usize = 16 * 1024;

/// What [`adam_step`] works on: slices of one length.
#[derive(Debug)]
pub struct AdamOperands<'a> {
    /// The parameter, `p`.
    pub parameter: &'a mut [f32],
    /// The mean of its gradients, `m`; zeros before the first step.
    pub mean: &'a mut [f32],
    /// The mean of their squares, `v`; zeros before the first step.
    pub square: &'a mut [f32],
    /// Its gradient, `g`.
    pub gradient: &'a [f32],
}

/// Step number `step` (from 1) of Adam:
///
/// `m += (1 - beta1) (g - m)`, `v += (1 - beta2) (g^2 - v)`,
/// `p -= alpha m / (sqrt(v) + epsilon)` with
/// `alpha = learning_rate sqrt(1 - beta2^step) / (1 - beta1^step)`.
///
/// # Panics
/// When the slices differ in length or `step` is 0.
pub fn adam_step(isa: Isa, settings: &AdamSettings, step: u64, operands: AdamOperands<'_>) {
    assert!(step > 0, "adam_step: steps are counted from 1");
    let AdamOperands {
        parameter: p,
        mean: m,
        square: v,
        gradient: g,
    } = operands;
    let lens = [m.len(), v.len(), g.len()];
    assert!(
        lens == [p.len(); 3],
        "adam_step: p has {} floats, m, v, g have {lens:?}",
        p.len()
    );
    let AdamSettings {
        learning_rate,
        beta1,
        beta2,
        epsilon,
    } = *settings;
    // Powers of f64: beta2^step keeps its digits for any number of steps.
    let t = step as f64;
    let alpha = learning_rate * (1.0 - beta2.powf(t)).sqrt() / (1.0 - beta1.powf(t));
    let rates = [-alpha, 1.0 - beta1, 1.0 - beta2, epsilon].map(|x| x as f32);
    let moments = m.par_chunks_mut(TASK).zip(v.par_chunks_mut(TASK));
    let all = p.par_chunks_mut(TASK).zip(g.par_chunks(TASK)).zip(moments);
    all.for_each(|((parameter, gradient), (mean, square))| {
        let operands = AdamOperands {
            parameter,
            mean,
            square,
            gradient,
        };
        update(isa, rates, operands);
    });
}

kernel! {
    fn update => update_body(rates: [f32; 4], operands: AdamOperands<'_>)
}

#[inline(always)]
fn update_body<S: Simd>(s: S, rates: [f32; 4], operands: AdamOperands<'_>) {
    let AdamOperands {
        parameter: p,
        mean: m,
        square: v,
        gradient: g,
    } = operands;
    assert!([m.len(), v.len(), g.len()] == [p.len(); 3]);
    let [alpha, rate1, rate2, epsilon] = rates.map(|x| s.splat(x));
    let mut i = 0;
    while i < p.len() {
        let lanes = (p.len() - i).min(LANES);
        let at = |q: *mut f32| q.wrapping_add(i);
        let (p, m, v) = (at(p.as_mut_ptr()), at(m.as_mut_ptr()), at(v.as_mut_ptr()));
        // SAFETY: `i + lanes <= len`, the same for all four slices.
        unsafe {
            let grad = s.load_n(g.as_ptr().wrapping_add(i), lanes);
            let (mean, square) = (s.load_n(m, lanes), s.load_n(v, lanes));
            let mean = s.fma(rate1, s.sub(grad, mean), mean);
            let square = s.fma(rate2, s.sub(s.mul(grad, grad), square), square);
            let ratio = s.div(mean, s.add(s.sqrt(square), epsilon));
            s.store_n(p, s.fma(alpha, ratio, s.load_n(p, lanes)), lanes);
            s.store_n(m, mean, lanes);
            s.store_n(v, square, lanes);
        }
        i += LANES;
    }
}
