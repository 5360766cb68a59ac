//! Sixteen lanes as two AVX2 registers.

use super::{LANES, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof, where the CPU has the features.
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        found.then_some(Self(()))
    }
}

/// A register-to-register intrinsic.
macro_rules! op {
    ($e:expr) => {
        // SAFETY: the value of Avx2 at hand proves that the CPU has the instruction; no memory is
        // touched.
        unsafe { $e }
    };
}

/// The same intrinsic on both halves. No closures in this file: they are functions of their own,
/// compiled without AVX2 unless the compiler happens to inline them.
macro_rules! both {
    ($f:ident$(::<$c:ident>)?($($a:ident),*)) => {
        op!([$f$(::<$c>)?($($a[0]),*), $f$(::<$c>)?($($a[1]),*)])
    };
}

/// Bits behind the exponent of a float.
const MANTISSA: i32 = 23;

/// Sixteen lanes that are on, and sixteen that are off.
static ON_AND_OFF: [[i32; LANES]; 2] = [[-1; LANES], [0; LANES]];

impl Avx2 {
    /// The first `n` lanes on, the others off.
    #[inline(always)]
    fn lanes(self, n: usize) -> [__m256i; 2] {
        let first = ON_AND_OFF.as_flattened()[LANES - n.min(LANES)..].as_ptr();
        // SAFETY: 16 numbers or more lie behind the first.
        unsafe {
            [
                _mm256_loadu_si256(first.cast()),
                _mm256_loadu_si256(first.wrapping_add(8).cast()),
            ]
        }
    }
}

impl Simd for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type M = [__m256; 2];
    const MAX_NR: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        op!([_mm256_set1_ps(x); 2])
    }
    #[inline(always)]
    unsafe fn broadcast(self, p: *const f32) -> Self::F {
        // SAFETY: the caller's.
        unsafe { [_mm256_set1_ps(*p); 2] }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::F {
        // SAFETY: the caller's.
        unsafe { [_mm256_loadu_ps(p), _mm256_loadu_ps(p.wrapping_add(8))] }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::F) {
        // SAFETY: the caller's.
        unsafe {
            _mm256_storeu_ps(p, v[0]);
            _mm256_storeu_ps(p.wrapping_add(8), v[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        both!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        both!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        both!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::M {
        both!(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b))
    }
    #[inline(always)]
    fn unordered(self, a: Self::F, b: Self::F) -> Self::M {
        both!(_mm256_cmp_ps::<_CMP_UNORD_Q>(a, b))
    }
    #[inline(always)]
    fn mask(self, bits: u16) -> Self::M {
        op!({
            let bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let [low, high] = bits.to_le_bytes().map(i32::from);
            let all = [_mm256_set1_epi32(low), _mm256_set1_epi32(high)];
            [
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all[0], bit), bit)),
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all[1], bit), bit)),
            ]
        })
    }
    #[inline(always)]
    fn bits(self, mask: Self::M) -> u16 {
        let [low, high] = both!(_mm256_movemask_ps(mask));
        (low | high << 8) as u16
    }
    #[inline(always)]
    fn and(self, a: Self::M, b: Self::M) -> Self::M {
        both!(_mm256_and_ps(a, b))
    }
    #[inline(always)]
    fn or(self, a: Self::M, b: Self::M) -> Self::M {
        both!(_mm256_or_ps(a, b))
    }
    #[inline(always)]
    fn and_not(self, a: Self::M, b: Self::M) -> Self::M {
        both!(_mm256_andnot_ps(b, a))
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        both!(_mm256_blendv_ps(no, yes, mask))
    }
    #[inline(always)]
    fn relu(self, a: Self::F) -> Self::F {
        let zero = self.splat(0.0);
        // The instruction returns its second operand when one of them is NaN.
        both!(_mm256_max_ps(zero, a))
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: Self::F) -> Self::F {
        let bits = both!(_mm256_castps_si256(a));
        let shifted = both!(_mm256_slli_epi32::<MANTISSA>(bits));
        both!(_mm256_castsi256_ps(shifted))
    }
    #[inline(always)]
    fn splat_i(self, x: u8) -> Self::I {
        op!([_mm256_set1_epi32(i32::from(x)); 2])
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> Self::I {
        // SAFETY: the caller's; each half reads 8 bytes.
        unsafe {
            [
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.wrapping_add(8).cast())),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, v: Self::I) {
        // SAFETY: the caller's; the numbers fit a byte, so packing does not saturate.
        unsafe {
            let words = _mm256_packus_epi32(v[0], v[1]);
            // Packing works within 128-bit halves: their order is put right.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let (low, high) = (
                _mm256_castsi256_si128(words),
                _mm256_extracti128_si256::<1>(words),
            );
            _mm_storeu_si128(p.cast(), _mm_packus_epi16(low, high));
        }
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        both!(_mm256_add_epi32(a, b))
    }
    #[inline(always)]
    fn lt_i(self, a: Self::I, b: Self::I) -> Self::M {
        let less = both!(_mm256_cmpgt_epi32(b, a));
        both!(_mm256_castsi256_ps(less))
    }
    #[inline(always)]
    fn select_i(self, mask: Self::M, yes: Self::I, no: Self::I) -> Self::I {
        let mask = both!(_mm256_castps_si256(mask));
        both!(_mm256_blendv_epi8(no, yes, mask))
    }
    #[inline(always)]
    fn lookup(self, table: Self::F, index: Self::I) -> Self::F {
        let (t0, t1) = ([table[0]; 2], [table[1]; 2]);
        let low = both!(_mm256_permutevar8x32_ps(t0, index));
        let high = both!(_mm256_permutevar8x32_ps(t1, index));
        // Bit 3 of the index names the half; blendv looks at bit 31.
        let half = op!([
            _mm256_slli_epi32::<28>(index[0]),
            _mm256_slli_epi32::<28>(index[1])
        ]);
        let half = both!(_mm256_castsi256_ps(half));
        both!(_mm256_blendv_ps(low, high, half))
    }
    #[inline(always)]
    unsafe fn patch4x4(self, p: *const f32, stride: usize) -> Self::F {
        let row = |i: usize| p.wrapping_add(i * stride);
        // SAFETY: the caller's.
        unsafe {
            [
                _mm256_set_m128(_mm_loadu_ps(row(1)), _mm_loadu_ps(row(0))),
                _mm256_set_m128(_mm_loadu_ps(row(3)), _mm_loadu_ps(row(2))),
            ]
        }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        op!(_mm_prefetch::<_MM_HINT_T0>(p.cast()))
    }
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize) -> Self::F {
        if n >= LANES {
            // SAFETY: all 16 floats are readable.
            return unsafe { self.load(p) };
        }
        let [low, high] = self.lanes(n);
        // SAFETY: the caller's; lanes that are off are not read.
        unsafe {
            [
                _mm256_maskload_ps(p, low),
                _mm256_maskload_ps(p.wrapping_add(8), high),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: Self::F, n: usize) {
        if n >= LANES {
            // SAFETY: all 16 floats are writable.
            return unsafe { self.store(p, v) };
        }
        // SAFETY: the caller's; a masked store takes AMD's processors many cycles, these take few.
        unsafe {
            let (mut p, mut half) = (p, v[0]);
            if n & 8 != 0 {
                _mm256_storeu_ps(p, half);
                (p, half) = (p.wrapping_add(8), v[1]);
            }
            let mut four = _mm256_castps256_ps128(half);
            if n & 4 != 0 {
                _mm_storeu_ps(p, four);
                (p, four) = (p.wrapping_add(4), _mm256_extractf128_ps::<1>(half));
            }
            if n & 2 != 0 {
                _mm_storel_pd(p.cast(), _mm_castps_pd(four));
                (p, four) = (p.wrapping_add(2), _mm_movehl_ps(four, four));
            }
            if n & 1 != 0 {
                _mm_store_ss(p, four);
            }
        }
    }
}
