//! Sixteen f32 lanes on every CPU, and the choice of instruction set at run time.
//!
//! Every kernel is written once, generic over [`Simd`], and works on blocks of sixteen channels: one
//! AVX-512 register, two AVX2 or four NEON registers, or an array that the compiler maps to whatever
//! there is. [`kernel!`](macro@kernel) compiles such a function for each instruction set of the
//! processor's family and enters the one an [`Isa`] names, so that neither the user nor a notebook needs to set a target flag.

use std::env;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;

/// Lanes of a vector: the block of channels all kernels work on.
pub(super) const LANES: usize = 16;

/// An instruction set that this CPU has been seen to support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(pub(super) Kind);

/// The instruction sets; but for the last, their values exist only after detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable(Portable),
}

/// Names one of [`Isa::available`] to be used in place of the fastest: `avx512`, `avx2`, `neon` or `portable`.
const VARIABLE: &str = "FMNIST_ISA";

impl Isa {
    /// The fastest instruction set of this CPU, unless the environment's variable `FMNIST_ISA` names another, as it
    /// was when a kernel was first asked for.
    pub fn best() -> Self {
        Self::chosen().unwrap_or(Self::available()[0])
    }

    /// As [`best`](Self::best).
    ///
    /// # Errors
    /// `FMNIST_ISA` names what this CPU has not, or what there is not; the message tells what there is.
    pub fn chosen() -> Result<Self, String> {
        static CHOSEN: OnceLock<Result<Isa, String>> = OnceLock::new();
        let choose = || match env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => Self::named(&name.to_string_lossy()),
            _ => Ok(Self::available()[0]),
        };
        CHOSEN.get_or_init(choose).clone()
    }

    fn named(name: &str) -> Result<Self, String> {
        let plain = |name: &str| name.replace('-', "").to_lowercase();
        let available = Self::available();
        let found = available
            .iter()
            .find(|isa| plain(isa.name()) == plain(name));
        found.copied().ok_or_else(|| {
            let names: Vec<String> = available.iter().map(|isa| plain(isa.name())).collect();
            format!(
                "{VARIABLE} is {name}, but this processor computes by {}",
                names.join(", ")
            )
        })
    }

    /// All usable instruction sets, fastest first; the last one is the portable code.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let fast = [
            Avx512::detect().map(Kind::Avx512),
            Avx2::detect().map(Kind::Avx2),
        ];
        #[cfg(target_arch = "aarch64")]
        let fast = [Neon::detect().map(Kind::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let fast: [Option<Kind>; 0] = [];
        let all = fast.into_iter().flatten().chain([Kind::Portable(Portable)]);
        all.map(Self).collect()
    }

    /// [`Simd::PANEL`] of the instruction set.
    pub(super) fn panel(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => Avx512::PANEL,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => Avx2::PANEL,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => Neon::PANEL,
            Kind::Portable(_) => Portable::PANEL,
        }
    }

    /// `"AVX-512"`, `"AVX2"`, `"NEON"` or `"portable"`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "NEON",
            Kind::Portable(_) => "portable",
        }
    }
}

/// Arithmetic on sixteen lanes. A value of the implementing type proves that the CPU has the
/// instructions, so only the methods that follow a pointer are unsafe.
///
/// All methods are `#[inline(always)]`: they must
/// end up inside a function compiled for the instruction set.
pub(super) trait Simd: Copy + Send + Sync {
    /// Sixteen floats.
    type F: Copy;
    /// Sixteen small integers.
    type I: Copy;
    /// Sixteen lanes that are on or off, in the form that comparisons give.
    type M: Copy;
    /// Widest register tile of the matrix product, in vectors (see `gemm`).
    const MAX_NR: usize;
    /// Columns of a panel of the matrix product: those that it reads side by side.
    const PANEL: usize = Self::MAX_NR * LANES;

    fn splat(self, x: f32) -> Self::F;
    /// The float at `p` in all lanes.
    ///
    /// # Safety
    /// `p` is valid for reading a float.
    unsafe fn broadcast(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `p` is valid for reading 16 floats.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `p` is valid for writing 16 floats.
    unsafe fn store(self, p: *mut f32, v: Self::F);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// `a * b + c`
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Lanes where `a > b`; false where either is NaN.
    fn gt(self, a: Self::F, b: Self::F) -> Self::M;
    /// Lanes where `a` or `b` is NaN.
    fn unordered(self, a: Self::F, b: Self::F) -> Self::M;
    /// Lanes whose bits are set; lane 0 is in the lowest.
    fn mask(self, bits: u16) -> Self::M;
    /// The bits of a mask.
    fn bits(self, mask: Self::M) -> u16;
    fn and(self, a: Self::M, b: Self::M) -> Self::M;
    fn or(self, a: Self::M, b: Self::M) -> Self::M;
    /// Lanes of `a` that are not in `b`.
    fn and_not(self, a: Self::M, b: Self::M) -> Self::M;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;
    /// `max(0, a)`, NaN stays NaN.
    fn relu(self, a: Self::F) -> Self::F;
    /// The last nine bits of each number in the place of its sign and exponent: of a number whose last bits count
    /// `n + 127`, this is `2^n`.
    fn shift_to_exponent(self, a: Self::F) -> Self::F;

    fn splat_i(self, x: u8) -> Self::I;
    /// # Safety
    /// `p` is valid for reading 16 bytes.
    unsafe fn load_i(self, p: *const u8) -> Self::I;
    /// # Safety
    /// `p` is valid for writing 16 bytes.
    unsafe fn store_i(self, p: *mut u8, v: Self::I);
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// Lanes where `a < b`.
    fn lt_i(self, a: Self::I, b: Self::I) -> Self::M;
    fn select_i(self, mask: Self::M, yes: Self::I, no: Self::I) -> Self::I;
    /// `table[index % 16]` lane by lane.
    fn lookup(self, table: Self::F, index: Self::I) -> Self::F;
    /// The 4x4 patch at `p` in an image whose rows are `stride` floats apart.
    ///
    /// # Safety
    /// `p + i * stride` is valid for reading 4 floats for i in 0..4.
    unsafe fn patch4x4(self, p: *const f32, stride: usize) -> Self::F;

    /// Begins to bring the cache line of `p`, which may be anywhere, into the caches; does nothing where there is no way to.
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    #[inline(always)]
    fn zero(self) -> Self::F {
        self.splat(0.0)
    }

    /// The first `n <= 16` floats at `p`, then zeros.
    ///
    /// # Safety
    /// `p` is valid for reading `n` floats.
    #[inline(always)]
    unsafe fn load_n(self, p: *const f32, n: usize) -> Self::F {
        if n >= LANES {
            // SAFETY: all 16 floats are readable.
            return unsafe { self.load(p) };
        }
        let mut lanes = [0.0f32; LANES];
        // SAFETY: `n < 16` floats are readable at `p`, and `lanes` holds 16.
        unsafe {
            p.copy_to_nonoverlapping(lanes.as_mut_ptr(), n);
            self.load(lanes.as_ptr())
        }
    }

    /// Stores the first `n <= 16` lanes.
    ///
    /// # Safety
    /// `p` is valid for writing `n` floats.
    #[inline(always)]
    unsafe fn store_n(self, p: *mut f32, v: Self::F, n: usize) {
        if n >= LANES {
            // SAFETY: all 16 floats are writable.
            return unsafe { self.store(p, v) };
        }
        let mut lanes = [0.0f32; LANES];
        // SAFETY: `n < 16` floats are writable at `p`, and `lanes` holds 16.
        unsafe {
            self.store(lanes.as_mut_ptr(), v);
            p.copy_from_nonoverlapping(lanes.as_ptr(), n);
        }
    }
}

/// Declares `fn name(isa, args...)`, which runs the `#[inline(always)]` function `body(simd,
/// args...)` compiled for the instruction set `isa`.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident => $body:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::simd::Isa, $($arg: $ty),*) {
            use $crate::simd::{Kind, Portable};
            #[cfg(target_arch = "x86_64")]
            use $crate::simd::{Avx2, Avx512};
            #[cfg(target_arch = "aarch64")]
            use $crate::simd::Neon;

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
            fn avx512(s: Avx512, $($arg: $ty),*) {
                $body(s, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2(s: Avx2, $($arg: $ty),*) {
                $body(s, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            fn neon(s: Neon, $($arg: $ty),*) {
                $body(s, $($arg),*)
            }
            fn portable(s: Portable, $($arg: $ty),*) {
                $body(s, $($arg),*)
            }
            match isa.0 {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a value of Avx512 exists only where the CPU has these features.
                Kind::Avx512(s) => unsafe { avx512(s, $($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a value of Avx2 exists only where the CPU has these features.
                Kind::Avx2(s) => unsafe { avx2(s, $($arg),*) },
                #[cfg(target_arch = "aarch64")]
                // SAFETY: a value of Neon exists only where the CPU has the feature.
                Kind::Neon(s) => unsafe { neon(s, $($arg),*) },
                Kind::Portable(s) => portable(s, $($arg),*),
            }
        }
    };
}
pub(super) use kernel;

/// `for i in 0..N` written out, for N = 4, 9 or a const parameter up to 2. Where vectors are arrays
/// (`portable`), the compiler keeps none of them in a register across the loops of `conv_pool`, which
/// take up to half as long again when they are loops. All other loops compile to the same either way.
macro_rules! unroll {
    ($i:ident < 4, $body:block) => { unroll!(@ $i $body 0 1 2 3) };
    ($i:ident < 9, $body:block) => { unroll!(@ $i $body 0 1 2 3 4 5 6 7 8) };
    ($i:ident < $n:ident, $body:block) => {
        const { assert!($n <= 2) };
        unroll!(? $i $n $body 0 1)
    };
    (@ $i:ident $body:block $($k:literal)*) => { $({ let $i: usize = $k; $body })* };
    (? $i:ident $n:ident $body:block $($k:literal)*) => {
        $(if const { $k < $n } { let $i: usize = $k; $body })*
    };
}
pub(super) use unroll;
