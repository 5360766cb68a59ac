//! Sixteen lanes as one AVX-512 register.

use super::Simd;
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512 F, BW, VL and DQ, AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof, where the CPU has the features.
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }
}

/// A register-to-register intrinsic.
macro_rules! op {
    ($e:expr) => {
        // SAFETY: `self` proves that the CPU has the instruction; no memory is touched.
        unsafe { $e }
    };
}

impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    type M = u16;
    const MAX_NR: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        op!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn broadcast(self, p: *const f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_set1_ps(*p) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller's.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: the caller's.
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        op!(_mm512_sqrt_ps(a))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        op!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn gt(self, a: __m512, b: __m512) -> u16 {
        op!(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b))
    }
    #[inline(always)]
    fn unordered(self, a: __m512, b: __m512) -> u16 {
        op!(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, b))
    }
    #[inline(always)]
    fn mask(self, bits: u16) -> u16 {
        bits
    }
    #[inline(always)]
    fn bits(self, mask: u16) -> u16 {
        mask
    }
    #[inline(always)]
    fn and(self, a: u16, b: u16) -> u16 {
        a & b
    }
    #[inline(always)]
    fn or(self, a: u16, b: u16) -> u16 {
        a | b
    }
    #[inline(always)]
    fn and_not(self, a: u16, b: u16) -> u16 {
        a & !b
    }
    #[inline(always)]
    fn select(self, mask: u16, yes: __m512, no: __m512) -> __m512 {
        op!(_mm512_mask_blend_ps(mask, no, yes))
    }
    #[inline(always)]
    fn relu(self, a: __m512) -> __m512 {
        // The instruction returns its second operand when one of them is NaN.
        op!(_mm512_max_ps(_mm512_setzero_ps(), a))
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: __m512) -> __m512 {
        op!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(
            _mm512_castps_si512(a)
        )))
    }
    #[inline(always)]
    fn splat_i(self, x: u8) -> __m512i {
        op!(_mm512_set1_epi32(i32::from(x)))
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> __m512i {
        // SAFETY: the caller's.
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast())) }
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, v: __m512i) {
        // SAFETY: the caller's.
        unsafe { _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(v)) }
    }
    #[inline(always)]
    fn add_i(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_add_epi32(a, b))
    }
    #[inline(always)]
    fn lt_i(self, a: __m512i, b: __m512i) -> u16 {
        op!(_mm512_cmplt_epi32_mask(a, b))
    }
    #[inline(always)]
    fn select_i(self, mask: u16, yes: __m512i, no: __m512i) -> __m512i {
        op!(_mm512_mask_blend_epi32(mask, no, yes))
    }
    #[inline(always)]
    fn lookup(self, table: __m512, index: __m512i) -> __m512 {
        op!(_mm512_permutexvar_ps(index, table))
    }
    #[inline(always)]
    unsafe fn patch4x4(self, p: *const f32, stride: usize) -> __m512 {
        let row = |i: usize| p.wrapping_add(i * stride);
        // SAFETY: the caller's.
        unsafe {
            let v = _mm512_castps128_ps512(_mm_loadu_ps(row(0)));
            let v = _mm512_insertf32x4::<1>(v, _mm_loadu_ps(row(1)));
            let v = _mm512_insertf32x4::<2>(v, _mm_loadu_ps(row(2)));
            _mm512_insertf32x4::<3>(v, _mm_loadu_ps(row(3)))
        }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        op!(_mm_prefetch::<_MM_HINT_T0>(p.cast()))
    }
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize) -> __m512 {
        // SAFETY: the caller's; masked-off lanes are not read.
        unsafe { _mm512_maskz_loadu_ps(low_bits(n), p) }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: __m512, n: usize) {
        // SAFETY: the caller's; masked-off lanes are not written.
        unsafe { _mm512_mask_storeu_ps(p, low_bits(n), v) }
    }
}

#[inline(always)]
fn low_bits(n: usize) -> u16 {
    if n >= 16 { !0 } else { !(!0 << n) }
}
