//! What the kernels write to: vectors, whatever they held before.

use std::mem::MaybeUninit;

/// The gradients of a layer. A value that is used again keeps its memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// Of the input; empty where it was not asked for.
    pub input: Vec<f32>,
    /// Of the weights, in their layout.
    pub weights: Vec<f32>,
    /// Of the bias.
    pub bias: Vec<f32>,
}

/// Replaces the content of `out` by `len` elements that `fill` writes: megabytes are not set to zero
/// first only to be overwritten, which would cost the smallest network a third of its speed.
///
/// # Safety
/// `fill` must write every element.
pub(super) unsafe fn refill<T: Copy>(
    out: &mut Vec<T>,
    len: usize,
    fill: impl FnOnce(&mut [MaybeUninit<T>]),
) {
    out.clear();
    out.reserve_exact(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller vouches for the elements.
    unsafe { out.set_len(len) };
}

/// Sets all of `values`, and gives them as numbers.
pub(super) fn filled(values: &mut [MaybeUninit<f32>], value: f32) -> &mut [f32] {
    values.fill(MaybeUninit::new(value));
    // SAFETY: all have just been written.
    unsafe { values.assume_init_mut() }
}

/// Memory that is overwritten.
pub(super) fn as_uninit(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: `MaybeUninit<f32>` has the layout of `f32`, and the kernels that get it write only numbers there.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<f32>]) }
}
