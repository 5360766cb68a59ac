//! What the rules share: a pass over all values of a weight, and what settings can be.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Values that one parallel task takes.
pub(super) const PIECE: usize = 1 << 14;

/// Hands each weight with its gradient and its state to `step`.
pub(super) fn for_each(
    w: &mut [f32],
    g: &[f32],
    s: &mut [f32],
    step: impl Fn(&mut f32, f32, &mut f32) + Sync,
) {
    let pieces = w
        .par_chunks_mut(PIECE)
        .zip(g.par_chunks(PIECE))
        .zip(s.par_chunks_mut(PIECE));
    pieces.for_each(|((w, g), s)| {
        for ((w, &g), s) in w.iter_mut().zip(g).zip(s) {
            step(w, g, s);
        }
    });
}

/// As [`for_each`], with two numbers of state.
pub(super) fn for_each_2(
    w: &mut [f32],
    g: &[f32],
    s: &mut [f32],
    t: &mut [f32],
    step: impl Fn(&mut f32, f32, &mut f32, &mut f32) + Sync,
) {
    let states = s.par_chunks_mut(PIECE).zip(t.par_chunks_mut(PIECE));
    let pieces = w.par_chunks_mut(PIECE).zip(g.par_chunks(PIECE)).zip(states);
    pieces.for_each(|((w, g), (s, t))| {
        for (((w, &g), s), t) in w.iter_mut().zip(g).zip(s).zip(t) {
            step(w, g, s, t);
        }
    });
}

/// Refuses what is no part of a whole.
pub(super) fn part(what: &str, value: f64) -> Result<()> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "{what} is at least 0 and less than 1, not {value}"
        ))),
    }
}

pub(super) fn positive(what: &str, value: f64) -> Result<()> {
    match value.is_finite() && value as f32 > 0.0 {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "{what} is a small positive number, not {value}"
        ))),
    }
}
