//! What follows a layer's sum: bias, ReLU, dropout, all inside the kernel that made the sum.

use super::simd::{LANES, Simd};

/// Which outputs of a layer survive dropout, and by what they are multiplied.
#[derive(Clone, Copy, Debug)]
pub struct Dropout<'a> {
    /// One bit per output, set where it is kept: `ceil(channels / 16)` words for each pixel (for a
    /// dense layer: each row), channel 0 in the lowest bit of the first word.
    pub kept: &'a [u16],
    /// `1 / (1 - rate)`.
    pub scale: f32,
}

/// What a layer does to its sums.
#[derive(Clone, Copy, Debug, Default)]
pub struct Activation<'a> {
    /// `max(0, x)`; its gradient at 0 is 0, NaN stays NaN.
    pub relu: bool,
    /// Applied after the ReLU; `None` outside training.
    pub dropout: Option<Dropout<'a>>,
}

impl<'a> Activation<'a> {
    /// ReLU, then dropout where given.
    pub fn relu(dropout: Option<Dropout<'a>>) -> Self {
        Self {
            relu: true,
            dropout,
        }
    }

    /// The part that belongs to `count` pixels from pixel `first` on, of `channels` channels.
    pub(super) fn pixels(self, first: usize, count: usize, channels: usize) -> Self {
        let blocks = channels.div_ceil(LANES);
        let dropout = self.dropout.map(|d| Dropout {
            kept: &d.kept[first * blocks..][..count * blocks],
            scale: d.scale,
        });
        Self { dropout, ..self }
    }

    /// Asserts that the dropout bits fit `pixels` outputs of `channels` channels.
    pub(super) fn check(&self, what: &str, pixels: usize, channels: usize) {
        if let Some(dropout) = self.dropout {
            let (found, wanted) = (dropout.kept.len(), pixels * channels.div_ceil(LANES));
            assert!(
                found == wanted,
                "{what}: {found} words of dropout bits, expected {wanted}"
            );
        }
    }

    /// The activation of one block of sums; `word` is its index in the dropout bits.
    #[inline(always)]
    pub(super) fn forward<S: Simd>(&self, s: S, sum: S::F, word: usize) -> S::F {
        let y = if self.relu { s.relu(sum) } else { sum };
        match self.dropout {
            Some(d) => s.select(s.mask(d.kept[word]), s.mul(y, s.splat(d.scale)), s.zero()),
            None => y,
        }
    }

    /// Whether [`backward`](Self::backward) looks at the outputs. Where it does not, they need not be read from memory.
    #[inline(always)]
    pub(super) fn reads_outputs(&self) -> bool {
        self.relu
    }

    /// The gradient of the sums from the gradient `dy` of the outputs `y`.
    #[inline(always)]
    pub(super) fn backward<S: Simd>(&self, s: S, y: S::F, dy: S::F, word: usize) -> S::F {
        let scaled = match self.dropout {
            Some(d) => s.mul(dy, s.splat(d.scale)),
            None => dy,
        };
        // A dropped output is 0, so the sign of a ReLU's output tells of both.
        let alive = match self.dropout {
            _ if self.relu => s.gt(y, s.zero()),
            Some(d) => s.mask(d.kept[word]),
            None => return dy,
        };
        s.select(alive, scaled, s.zero())
    }
}
