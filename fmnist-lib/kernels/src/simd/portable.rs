//! Sixteen lanes as an array: what runs where no other instruction set is found.

use super::{LANES, Simd};

/// Plain Rust; every CPU has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portable;

type F = [f32; LANES];
type I = [u8; LANES];
/// All bits of a lane set, or none.
type M = [u32; LANES];

#[inline(always)]
fn zip(a: F, b: F, op: impl Fn(f32, f32) -> f32) -> F {
    let mut out = a;
    for i in 0..LANES {
        out[i] = op(a[i], b[i]);
    }
    out
}

#[inline(always)]
fn mask(test: impl Fn(usize) -> bool) -> M {
    std::array::from_fn(|i| if test(i) { !0 } else { 0 })
}

impl Simd for Portable {
    type F = F;
    type I = I;
    type M = M;
    const MAX_NR: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn broadcast(self, p: *const f32) -> F {
        // SAFETY: the caller's.
        self.splat(unsafe { *p })
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F {
        // SAFETY: the caller's.
        unsafe { p.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F) {
        // SAFETY: the caller's.
        unsafe { p.cast::<F>().write_unaligned(v) }
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn sqrt(self, a: F) -> F {
        zip(a, a, |a, _| a.sqrt())
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        // Not `mul_add`: without the instruction that is a call into the maths library.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn gt(self, a: F, b: F) -> M {
        mask(|i| a[i] > b[i])
    }
    #[inline(always)]
    fn unordered(self, a: F, b: F) -> M {
        mask(|i| a[i].is_nan() || b[i].is_nan())
    }
    #[inline(always)]
    fn mask(self, bits: u16) -> M {
        mask(|i| bits >> i & 1 == 1)
    }
    #[inline(always)]
    fn bits(self, mask: M) -> u16 {
        (0..LANES).fold(0, |bits, i| bits | ((mask[i] & 1) as u16) << i)
    }
    #[inline(always)]
    fn and(self, a: M, b: M) -> M {
        mask(|i| a[i] & b[i] != 0)
    }
    #[inline(always)]
    fn or(self, a: M, b: M) -> M {
        mask(|i| a[i] | b[i] != 0)
    }
    #[inline(always)]
    fn and_not(self, a: M, b: M) -> M {
        mask(|i| a[i] & !b[i] != 0)
    }
    #[inline(always)]
    fn select(self, mask: M, yes: F, no: F) -> F {
        let mut out = no;
        for i in 0..LANES {
            let (yes, no) = (yes[i].to_bits() & mask[i], no[i].to_bits() & !mask[i]);
            out[i] = f32::from_bits(yes | no);
        }
        out
    }
    #[inline(always)]
    fn relu(self, a: F) -> F {
        zip(a, a, |a, _| if a < 0.0 { 0.0 } else { a })
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: F) -> F {
        a.map(|a| f32::from_bits(a.to_bits() << 23))
    }
    #[inline(always)]
    fn splat_i(self, x: u8) -> I {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> I {
        // SAFETY: the caller's.
        unsafe { p.cast::<I>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, v: I) {
        // SAFETY: the caller's.
        unsafe { p.cast::<I>().write_unaligned(v) }
    }
    #[inline(always)]
    fn add_i(self, a: I, b: I) -> I {
        let mut out = a;
        for i in 0..LANES {
            out[i] = a[i].wrapping_add(b[i]);
        }
        out
    }
    #[inline(always)]
    fn lt_i(self, a: I, b: I) -> M {
        mask(|i| a[i] < b[i])
    }
    #[inline(always)]
    fn select_i(self, mask: M, yes: I, no: I) -> I {
        let mut out = no;
        for i in 0..LANES {
            out[i] = if mask[i] != 0 { yes[i] } else { no[i] };
        }
        out
    }
    #[inline(always)]
    fn lookup(self, table: F, index: I) -> F {
        index.map(|i| table[usize::from(i) % LANES])
    }
    #[inline(always)]
    unsafe fn patch4x4(self, p: *const f32, stride: usize) -> F {
        let mut out = [0.0; LANES];
        for (i, row) in out.chunks_exact_mut(4).enumerate() {
            // SAFETY: the caller promises 4 floats in each of the 4 rows.
            let four = unsafe { p.add(i * stride).cast::<[f32; 4]>().read_unaligned() };
            row.copy_from_slice(&four);
        }
        out
    }
}
