//! The means, and their gradients.

use super::{Task, each};
use crate::Windows;
use crate::simd::{Simd, kernel};
use std::mem::MaybeUninit;

#[derive(Clone, Copy)]
struct Means {
    x: *const f32,
    y: *mut f32,
}

impl<S: Simd> Task<S> for Means {
    /// The sum, and what a pixel's part of the mean is.
    type State = [S::F; 2];

    #[inline(always)]
    unsafe fn begin(self, s: S, pixels: usize, _: usize, _: usize) -> [S::F; 2] {
        [s.zero(), s.splat(1.0 / pixels as f32)]
    }

    #[inline(always)]
    unsafe fn pixel(self, s: S, [sum, _]: &mut [S::F; 2], at: usize, lanes: usize) {
        // SAFETY: as the caller says.
        *sum = s.add(*sum, unsafe { s.load_n(self.x.wrapping_add(at), lanes) });
    }

    #[inline(always)]
    unsafe fn end(self, s: S, [sum, part]: [S::F; 2], at: usize, lanes: usize) {
        // SAFETY: as the caller says.
        unsafe { s.store_n(self.y.wrapping_add(at), s.mul(sum, part), lanes) };
    }
}

kernel! {
    pub(in crate::pool) fn means => means_body(windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn means_body<S: Simd>(s: S, windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    assert!(x.len() == windows.input_len() && y.len() == windows.count() * windows.channels);
    let (x, y) = (x.as_ptr(), y.as_mut_ptr().cast());
    // SAFETY: both are of these windows.
    unsafe { each(s, windows, Means { x, y }) };
}

#[derive(Clone, Copy)]
struct ToAll {
    dy: *const f32,
    dx: *mut f32,
}

impl<S: Simd> Task<S> for ToAll {
    /// The gradient, and what a pixel's part of it is.
    type State = [S::F; 2];

    #[inline(always)]
    unsafe fn begin(self, s: S, pixels: usize, at: usize, lanes: usize) -> [S::F; 2] {
        // SAFETY: as the caller says.
        let dy = unsafe { s.load_n(self.dy.wrapping_add(at), lanes) };
        [dy, s.splat(1.0 / pixels as f32)]
    }

    #[inline(always)]
    unsafe fn pixel(self, s: S, [dy, part]: &mut [S::F; 2], at: usize, lanes: usize) {
        let to = self.dx.wrapping_add(at);
        // SAFETY: as the caller says.
        unsafe { s.store_n(to, s.fma(*dy, *part, s.load_n(to, lanes)), lanes) };
    }

    #[inline(always)]
    unsafe fn end(self, _: S, _: [S::F; 2], _: usize, _: usize) {}
}

kernel! {
    pub(in crate::pool) fn to_all => to_all_body(windows: Windows, dy: &[f32], dx: &mut [f32])
}

#[inline(always)]
fn to_all_body<S: Simd>(s: S, windows: Windows, dy: &[f32], dx: &mut [f32]) {
    assert!(dx.len() == windows.input_len() && dy.len() == windows.count() * windows.channels);
    let (dy, dx) = (dy.as_ptr(), dx.as_mut_ptr());
    // SAFETY: both are of these windows.
    unsafe { each(s, windows, ToAll { dy, dx }) };
}
