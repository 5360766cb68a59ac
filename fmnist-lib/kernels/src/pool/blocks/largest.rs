//! The largest values, and their gradients.

use super::{Task, each};
use crate::Windows;
use crate::pool::{is_largest, larger};
use crate::simd::{Simd, kernel};
use std::mem::MaybeUninit;

#[derive(Clone, Copy)]
struct Largest {
    x: *const f32,
    y: *mut f32,
}

impl<S: Simd> Task<S> for Largest {
    type State = S::F;

    #[inline(always)]
    unsafe fn begin(self, s: S, _: usize, _: usize, _: usize) -> S::F {
        s.splat(f32::NEG_INFINITY)
    }

    #[inline(always)]
    unsafe fn pixel(self, s: S, most: &mut S::F, at: usize, lanes: usize) {
        // SAFETY: as the caller says.
        let x = unsafe { s.load_n(self.x.wrapping_add(at), lanes) };
        *most = larger(s, *most, x);
    }

    #[inline(always)]
    unsafe fn end(self, s: S, most: S::F, at: usize, lanes: usize) {
        // SAFETY: as the caller says.
        unsafe { s.store_n(self.y.wrapping_add(at), most, lanes) };
    }
}

kernel! {
    pub(in crate::pool) fn largest => largest_body(windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn largest_body<S: Simd>(s: S, windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    assert!(x.len() == windows.input_len() && y.len() == windows.count() * windows.channels);
    let (x, y) = (x.as_ptr(), y.as_mut_ptr().cast());
    // SAFETY: both are of these windows.
    unsafe { each(s, windows, Largest { x, y }) };
}

#[derive(Clone, Copy)]
struct ToLargest {
    x: *const f32,
    y: *const f32,
    dy: *const f32,
    dx: *mut f32,
}

/// What a window's maximum is and gets, and the lanes in which it has not been found yet.
struct Sought<S: Simd> {
    most: S::F,
    dy: S::F,
    left: S::M,
}

impl<S: Simd> Task<S> for ToLargest {
    type State = Sought<S>;

    #[inline(always)]
    unsafe fn begin(self, s: S, _: usize, at: usize, lanes: usize) -> Sought<S> {
        // SAFETY: as the caller says.
        unsafe {
            Sought {
                most: s.load_n(self.y.wrapping_add(at), lanes),
                dy: s.load_n(self.dy.wrapping_add(at), lanes),
                left: s.mask(!0),
            }
        }
    }

    #[inline(always)]
    unsafe fn pixel(self, s: S, sought: &mut Sought<S>, at: usize, lanes: usize) {
        // SAFETY: as the caller says.
        unsafe {
            let x = s.load_n(self.x.wrapping_add(at), lanes);
            let found = is_largest(s, sought.left, sought.most, x);
            // Nothing is left for the maxima behind the first.
            sought.left = s.and_not(sought.left, found);
            let to = self.dx.wrapping_add(at);
            let gradient = s.select(found, sought.dy, s.zero());
            s.store_n(to, s.add(s.load_n(to, lanes), gradient), lanes);
        }
    }

    #[inline(always)]
    unsafe fn end(self, _: S, _: Sought<S>, _: usize, _: usize) {}
}

kernel! {
    pub(in crate::pool) fn to_largest => to_largest_body(windows: Windows, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32])
}

#[inline(always)]
fn to_largest_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    assert!([x.len(), dx.len()] == [windows.input_len(); 2]);
    assert!([y.len(), dy.len()] == [windows.count() * windows.channels; 2]);
    let (x, y, dy) = (x.as_ptr(), y.as_ptr(), dy.as_ptr());
    let dx = dx.as_mut_ptr();
    // SAFETY: all are of these windows.
    unsafe { each(s, windows, ToLargest { x, y, dy, dx }) };
}
