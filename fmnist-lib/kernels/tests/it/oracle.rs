//! The layers as plain loops in f64: what the kernels must agree with.

/// A deterministic spread of numbers in -1..1, as multiples of `step`: with a coarse step, products
/// and sums are exact and ties happen.
pub(super) fn numbers(n: usize, seed: u32, step: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
    };
    (0..n)
        .map(|_| (next() as f32 / step).round() * step)
        .collect()
}

/// Dropout factors (0 or `scale`), element by element, from the packed bits.
pub(super) fn factors(kept: &[u16], pixels: usize, channels: usize, scale: f64) -> Vec<f64> {
    let words = channels.div_ceil(16);
    let bit = |p: usize, c: usize| kept[p * words + c / 16] >> (c % 16) & 1;
    let all = (0..pixels).flat_map(|p| (0..channels).map(move |c| (p, c)));
    all.map(|(p, c)| f64::from(bit(p, c)) * scale).collect()
}

/// Largest difference, relative to the largest expected magnitude; NaN where the places of NaN
/// differ.
pub(super) fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected
        .iter()
        .fold(0.0f64, |m, e| m.max(e.abs()))
        .max(f64::MIN_POSITIVE);
    let mut worst = 0.0f64;
    for (&f, &e) in found.iter().zip(expected) {
        match (f.is_nan(), e.is_nan()) {
            (true, true) => {}
            (false, false) => worst = worst.max((f64::from(f) - e).abs()),
            _ => return f64::NAN,
        }
    }
    worst / scale
}

/// `relu` and dropout of sums; NaN stays NaN unless dropped.
pub(super) fn activate(sums: &[f64], relu: bool, factors: Option<&[f64]>) -> Vec<f64> {
    let apply = |(i, &x): (usize, &f64)| {
        let x = if relu && x <= 0.0 { 0.0 } else { x };
        match factors {
            Some(f) if f[i] == 0.0 => 0.0,
            Some(f) => x * f[i],
            None => x,
        }
    };
    sums.iter().enumerate().map(apply).collect()
}

/// The gradient of the sums from that of the activated outputs.
pub(super) fn deactivate(
    sums: &[f64],
    dy: &[f32],
    relu: bool,
    factors: Option<&[f64]>,
) -> Vec<f64> {
    let apply = |(i, &x): (usize, &f64)| {
        let factor = factors.map_or(1.0, |f| f[i]);
        if relu && (x <= 0.0 || x.is_nan()) {
            0.0
        } else {
            f64::from(dy[i]) * factor
        }
    };
    sums.iter().enumerate().map(apply).collect()
}

/// A convolution with square windows of images with `padding` rows and columns of zeros around them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    pub(super) n: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) ci: usize,
    pub(super) co: usize,
    pub(super) padding: usize,
    pub(super) window: usize,
}

impl Conv {
    /// Calls `visit(x index, weight index, y index)` for every product of the convolution.
    fn products(self, mut visit: impl FnMut(usize, usize, usize)) {
        let Self {
            h,
            w,
            ci,
            co,
            window,
            ..
        } = self;
        let (rows, columns) = self.output_size();
        let inside = |place: usize, side| {
            let place = place.checked_sub(self.padding);
            place.filter(|&place| place < side)
        };
        for b in 0..self.n {
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let y = ((b * rows + i) * columns + j) * co;
                for (di, dj) in (0..window).flat_map(|di| (0..window).map(move |dj| (di, dj))) {
                    let (Some(row), Some(column)) = (inside(i + di, h), inside(j + dj, w)) else {
                        continue;
                    };
                    let x = ((b * h + row) * w + column) * ci;
                    for p in 0..ci {
                        let k = ((di * window + dj) * ci + p) * co;
                        (0..co).for_each(|q| visit(x + p, k + q, y + q));
                    }
                }
            }
        }
    }

    fn output_size(self) -> (usize, usize) {
        let size = |side| side + 2 * self.padding + 1 - self.window;
        (size(self.h), size(self.w))
    }

    pub(super) fn output_len(self) -> usize {
        let (rows, columns) = self.output_size();
        self.n * rows * columns * self.co
    }

    /// The sums, bias included.
    pub(super) fn sums(self, x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f64> {
        let mut y: Vec<f64> = (0..self.output_len())
            .map(|i| bias[i % self.co].into())
            .collect();
        self.products(|xi, ki, yi| y[yi] += f64::from(x[xi]) * f64::from(weights[ki]));
        y
    }

    /// The gradients of input, weights and bias from that of the sums.
    pub(super) fn gradients(
        self,
        x: &[f32],
        weights: &[f32],
        g: &[f64],
    ) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (mut dx, mut dw, mut db) = (
            vec![0.0; x.len()],
            vec![0.0; weights.len()],
            vec![0.0; self.co],
        );
        self.products(|xi, ki, yi| {
            dx[xi] += f64::from(weights[ki]) * g[yi];
            dw[ki] += f64::from(x[xi]) * g[yi];
        });
        g.iter().enumerate().for_each(|(i, g)| db[i % self.co] += g);
        (dx, dw, db)
    }

    /// The index of each pooling window's maximum among the sums: the first of equal ones, a NaN
    /// where there is one.
    pub(super) fn pool(self, sums: &[f64]) -> Vec<usize> {
        let (h, w) = self.output_size();
        let mut places = vec![];
        for b in 0..self.n {
            for (i, j) in (0..h / 2).flat_map(|i| (0..w / 2).map(move |j| (i, j))) {
                for q in 0..self.co {
                    let at = |k: usize| ((b * h + 2 * i + k / 2) * w + 2 * j + k % 2) * self.co + q;
                    let better = |best, k| {
                        let (old, new): (f64, f64) = (sums[best], sums[at(k)]);
                        if new > old || (new.is_nan() && !old.is_nan()) {
                            at(k)
                        } else {
                            best
                        }
                    };
                    places.push((1..4).fold(at(0), better));
                }
            }
        }
        places
    }
}

/// `x[n][ci] weights[ci][co] + bias`, as the convolution of one position.
pub(super) fn dense_sums(x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f64> {
    let (co, ci) = (bias.len(), weights.len() / bias.len());
    let mut y = vec![];
    for row in x.chunks(ci) {
        for q in 0..co {
            let product = |p: usize| f64::from(row[p]) * f64::from(weights[p * co + q]);
            y.push(f64::from(bias[q]) + (0..ci).map(product).sum::<f64>());
        }
    }
    y
}

/// The gradients of input, weights and bias of a dense layer.
pub(super) fn dense_gradients(
    x: &[f32],
    weights: &[f32],
    co: usize,
    g: &[f64],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let ci = weights.len() / co;
    let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; weights.len()], vec![0.0; co]);
    for (b, row) in x.chunks(ci).enumerate() {
        for q in 0..co {
            let g = g[b * co + q];
            db[q] += g;
            for p in 0..ci {
                dx[b * ci + p] += f64::from(weights[p * co + q]) * g;
                dw[p * co + q] += f64::from(row[p]) * g;
            }
        }
    }
    (dx, dw, db)
}
