//! Dropout: its masks, one bit per output from a counter-based generator, and a layer of its own.

use super::activation::{Activation, Dropout};
use super::output::refill;
use super::simd::{Isa, LANES, Simd, kernel};
use super::{check_len, check_sides};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Words of 16 bits that one parallel task draws. Fixed: a task's place in the generator's stream
/// follows from its number.
const TASK: usize = 512;
/// The second byte of those few outputs whose first byte does not decide comes from this stream.
const TIES: u64 = 1 << 63;

/// Fills `kept` with bits that are set with probability `1 - rate` (to 16 bits), one per output:
/// the [`kept`](super::Dropout::kept) of a layer.
///
/// The bits are a function of `key` (what the run is), `stream` (below 2^63: which layer, epoch and
/// step this is) and the position alone. A rate of 0 keeps everything.
///
/// # Panics
/// When `rate` is not in `0.0..1.0`.
pub fn dropout_bits(isa: Isa, key: [u8; 32], stream: u64, rate: f64, kept: &mut [u16]) {
    assert!(
        (0.0..1.0).contains(&rate),
        "dropout_bits: a rate of {rate} is not in 0..1"
    );
    let threshold = ((1.0 - rate) * 65536.0).round() as u32;
    if threshold == 65536 {
        return kept.fill(!0);
    }
    let generator = ChaCha8Rng::from_seed(key);
    kept.par_chunks_mut(TASK)
        .enumerate()
        .for_each(|(task, kept)| {
            let at = |stream| {
                let mut rng = generator.clone();
                rng.set_stream(stream);
                // Positions count words of 32 bits; an output takes a byte.
                rng.set_word_pos((task * TASK * LANES / 4) as u128);
                rng
            };
            let mut bytes = [0; TASK * LANES];
            let bytes = &mut bytes[..kept.len() * LANES];
            at(stream).fill_bytes(bytes);
            let [high, low] = [(threshold >> 8) as u8, threshold as u8];
            let mut ties = [0; TASK];
            let ties = &mut ties[..kept.len()];
            compare(isa, bytes, high, kept, ties);
            let mut second = at(stream | TIES);
            for (kept, &tied) in kept.iter_mut().zip(&*ties) {
                let mut tied = tied;
                while tied != 0 {
                    if (second.next_u32() as u8) < low {
                        *kept |= tied & tied.wrapping_neg();
                    }
                    tied &= tied - 1;
                }
            }
        });
}

impl Dropout<'_> {
    /// Dropout where no other kernel comes before it: `y` = `x` where it is kept, scaled, and 0
    /// elsewhere. The gradient of the input follows from that of the output in the same way.
    ///
    /// # Panics
    /// When `x` is not a whole number of pixels of `channels`, or has no bit for each value.
    pub fn apply(&self, isa: Isa, channels: usize, x: &[f32], y: &mut Vec<f32>) {
        let what = "Dropout::apply";
        check_sides(what, 1, &[channels]);
        let (pixels, words) = (x.len() / channels, channels.div_ceil(LANES));
        check_len(what, "x", x.len(), pixels * channels);
        check_len(what, "kept", self.kept.len(), pixels * words);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let parts = y.par_chunks_mut(PIXELS * channels);
            let parts = parts.zip(x.par_chunks(PIXELS * channels));
            let tasks = parts.zip(self.kept.par_chunks(PIXELS * words));
            tasks.for_each(|((y, x), kept)| apply(isa, Dropout { kept, ..*self }, channels, x, y));
        };
        // SAFETY: all values of all pixels are written.
        unsafe { refill(y, x.len(), fill) };
    }
}

/// Pixels that one parallel task drops values of.
const PIXELS: usize = 256;

kernel! {
    fn apply => apply_body(
        dropout: Dropout<'_>, channels: usize, x: &[f32], y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn apply_body<S: Simd>(
    s: S,
    dropout: Dropout<'_>,
    channels: usize,
    x: &[f32],
    y: &mut [MaybeUninit<f32>],
) {
    let words = channels.div_ceil(LANES);
    let activation = Activation {
        relu: false,
        dropout: Some(dropout),
    };
    assert!(x.len() == y.len() && dropout.kept.len() * channels == x.len() * words);
    for pixel in 0..x.len() / channels {
        for block in 0..words {
            let lanes = (channels - block * LANES).min(LANES);
            let at = pixel * channels + block * LANES;
            // SAFETY: `lanes` values of the pixel exist from `at` on.
            unsafe {
                let x = s.load_n(x.as_ptr().wrapping_add(at), lanes);
                let to = y.as_mut_ptr().cast::<f32>().wrapping_add(at);
                s.store_n(to, activation.forward(s, x, pixel * words + block), lanes);
            }
        }
    }
}

kernel! {
    fn compare => compare_body(bytes: &[u8], limit: u8, below: &mut [u16], equal: &mut [u16])
}

/// Which of each 16 bytes are below the limit, and which equal it.
#[inline(always)]
fn compare_body<S: Simd>(s: S, bytes: &[u8], limit: u8, below: &mut [u16], equal: &mut [u16]) {
    assert!(bytes.len() == below.len() * LANES && equal.len() == below.len());
    let limit = s.splat_i(limit);
    let words = below.iter_mut().zip(equal).zip(bytes.chunks_exact(LANES));
    for ((below, equal), bytes) in words {
        // SAFETY: the chunk has 16 bytes.
        let bytes = unsafe { s.load_i(bytes.as_ptr()) };
        *below = s.bits(s.lt_i(bytes, limit));
        *equal = !*below & !s.bits(s.lt_i(limit, bytes));
    }
}
