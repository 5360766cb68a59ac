//! Sixteen lanes as four NEON registers.

use super::Simd;
use std::arch::aarch64::*;

/// Proof that the CPU has NEON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neon(());

impl Neon {
    /// The proof, where the CPU has the feature: nearly every 64-bit ARM has.
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

/// A register-to-register intrinsic.
macro_rules! op {
    ($e:expr) => {
        // SAFETY: the value of Neon at hand proves that the CPU has the instruction; no memory is
        // touched.
        unsafe { $e }
    };
}

/// The same intrinsic on all four quarters.
macro_rules! all {
    ($f:ident$(::<$c:ident>)?($($a:ident),*)) => {
        op!([
            $f$(::<$c>)?($($a[0]),*),
            $f$(::<$c>)?($($a[1]),*),
            $f$(::<$c>)?($($a[2]),*),
            $f$(::<$c>)?($($a[3]),*),
        ])
    };
}

/// Bits behind the exponent of a float.
const MANTISSA: i32 = 23;

/// The bit of each lane in a mask.
static BITS: [u32; 16] = {
    let mut bits = [0; 16];
    let mut lane = 0;
    while lane < bits.len() {
        bits[lane] = 1 << lane;
        lane += 1;
    }
    bits
};

/// Where the four bytes of each float find the byte with its index, in the first quarter.
static FOURFOLD: [u8; 16] = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3];

/// The bytes of a float, four times.
static BYTES: [u8; 16] = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3];

impl Simd for Neon {
    type F = [float32x4_t; 4];
    type I = uint8x16_t;
    type M = [uint32x4_t; 4];
    const MAX_NR: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        op!([vdupq_n_f32(x); 4])
    }
    #[inline(always)]
    unsafe fn broadcast(self, p: *const f32) -> Self::F {
        // SAFETY: the caller's.
        unsafe { [vld1q_dup_f32(p); 4] }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Self::F {
        // SAFETY: the caller's.
        unsafe {
            [
                vld1q_f32(p),
                vld1q_f32(p.wrapping_add(4)),
                vld1q_f32(p.wrapping_add(8)),
                vld1q_f32(p.wrapping_add(12)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Self::F) {
        // SAFETY: the caller's.
        unsafe {
            vst1q_f32(p, v[0]);
            vst1q_f32(p.wrapping_add(4), v[1]);
            vst1q_f32(p.wrapping_add(8), v[2]);
            vst1q_f32(p.wrapping_add(12), v[3]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        all!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        all!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        all!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        all!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: Self::F) -> Self::F {
        all!(vsqrtq_f32(a))
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        all!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn gt(self, a: Self::F, b: Self::F) -> Self::M {
        all!(vcgtq_f32(a, b))
    }
    #[inline(always)]
    fn unordered(self, a: Self::F, b: Self::F) -> Self::M {
        let (a, b) = (all!(vceqq_f32(a, a)), all!(vceqq_f32(b, b)));
        let ordered = all!(vandq_u32(a, b));
        all!(vmvnq_u32(ordered))
    }
    #[inline(always)]
    fn mask(self, bits: u16) -> Self::M {
        let (bit, bits) = (lane_bits(), op!([vdupq_n_u32(u32::from(bits)); 4]));
        all!(vtstq_u32(bits, bit))
    }
    #[inline(always)]
    fn bits(self, mask: Self::M) -> u16 {
        let bit = lane_bits();
        let set = all!(vandq_u32(mask, bit));
        op!(vaddvq_u32(vorrq_u32(
            vorrq_u32(set[0], set[1]),
            vorrq_u32(set[2], set[3])
        ))) as u16
    }
    #[inline(always)]
    fn and(self, a: Self::M, b: Self::M) -> Self::M {
        all!(vandq_u32(a, b))
    }
    #[inline(always)]
    fn or(self, a: Self::M, b: Self::M) -> Self::M {
        all!(vorrq_u32(a, b))
    }
    #[inline(always)]
    fn and_not(self, a: Self::M, b: Self::M) -> Self::M {
        all!(vbicq_u32(a, b))
    }
    #[inline(always)]
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F {
        all!(vbslq_f32(mask, yes, no))
    }
    #[inline(always)]
    fn relu(self, a: Self::F) -> Self::F {
        // The instruction returns NEON's NaN where one operand is NaN.
        let zero = self.splat(0.0);
        all!(vmaxq_f32(zero, a))
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: Self::F) -> Self::F {
        let bits = all!(vreinterpretq_u32_f32(a));
        let shifted = all!(vshlq_n_u32::<MANTISSA>(bits));
        all!(vreinterpretq_f32_u32(shifted))
    }
    #[inline(always)]
    fn splat_i(self, x: u8) -> Self::I {
        op!(vdupq_n_u8(x))
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> Self::I {
        // SAFETY: the caller's.
        unsafe { vld1q_u8(p) }
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, v: Self::I) {
        // SAFETY: the caller's.
        unsafe { vst1q_u8(p, v) }
    }
    #[inline(always)]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        op!(vaddq_u8(a, b))
    }
    #[inline(always)]
    fn lt_i(self, a: Self::I, b: Self::I) -> Self::M {
        op!({
            // As signed numbers, the bytes of a lane that is on are -1, and stay it as they grow.
            let less = vreinterpretq_s8_u8(vcltq_u8(a, b));
            let (low, high) = (vmovl_s8(vget_low_s8(less)), vmovl_high_s8(less));
            [
                vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(low))),
                vreinterpretq_u32_s32(vmovl_high_s16(low)),
                vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(high))),
                vreinterpretq_u32_s32(vmovl_high_s16(high)),
            ]
        })
    }
    #[inline(always)]
    fn select_i(self, mask: Self::M, yes: Self::I, no: Self::I) -> Self::I {
        op!({
            let low = vcombine_u16(vmovn_u32(mask[0]), vmovn_u32(mask[1]));
            let high = vcombine_u16(vmovn_u32(mask[2]), vmovn_u32(mask[3]));
            vbslq_u8(vcombine_u8(vmovn_u16(low), vmovn_u16(high)), yes, no)
        })
    }
    #[inline(always)]
    fn lookup(self, table: Self::F, index: Self::I) -> Self::F {
        let table = all!(vreinterpretq_u8_f32(table));
        op!({
            let table = uint8x16x4_t(table[0], table[1], table[2], table[3]);
            let first = vshlq_n_u8::<2>(vandq_u8(index, vdupq_n_u8(15)));
            // The quarter of a lane is added to where its byte is looked for.
            [0, 4, 8, 12].map(|quarter| {
                let place = vaddq_u8(bytes(&FOURFOLD), vdupq_n_u8(quarter));
                let place = vaddq_u8(vqtbl1q_u8(first, place), bytes(&BYTES));
                vreinterpretq_f32_u8(vqtbl4q_u8(table, place))
            })
        })
    }
    #[inline(always)]
    unsafe fn patch4x4(self, p: *const f32, stride: usize) -> Self::F {
        let row = |i: usize| p.wrapping_add(i * stride);
        // SAFETY: the caller's.
        unsafe {
            [
                vld1q_f32(row(0)),
                vld1q_f32(row(1)),
                vld1q_f32(row(2)),
                vld1q_f32(row(3)),
            ]
        }
    }
}

#[inline(always)]
fn bytes(of: &[u8; 16]) -> uint8x16_t {
    // SAFETY: sixteen bytes are read from an array of sixteen.
    unsafe { vld1q_u8(of.as_ptr()) }
}

/// The bits of the lanes, in four vectors.
#[inline(always)]
fn lane_bits() -> [uint32x4_t; 4] {
    // SAFETY: four times four numbers are read from an array of sixteen.
    [0, 4, 8, 12].map(|lane| unsafe { vld1q_u32(BITS[lane..lane + 4].as_ptr()) })
}
