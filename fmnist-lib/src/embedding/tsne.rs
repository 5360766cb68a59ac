//! t-distributed stochastic neighbour embedding.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::similarities::similarities;
use super::{Pca, rows};
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;
use crate::support::table::counted;

/// t-SNE (van der Maaten & Hinton, 2008): points in the plane, of which near ones belong to rows that are alike. How far apart
/// groups lie, and how large they are, says nothing.
///
/// As scikit-learn's `TSNE(method="exact")`, of any number of threads the same bits: it begins with the first two
/// [principal components](Pca), and there is no chance in it. The time grows with the square of the number of rows: on two
/// cores 2,000 take about ten seconds.
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let (data, model) = (FashionMnist::load()?, two_layer().build(1)?);
/// let some = data.test.take(2_000);
/// let points = Tsne::new().fit_transform(&outputs(&model.up_to("Dense")?, &some)?)?;
/// plot::embedding(&some, &points)?.save("embedding.png")?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a setting gives back the changed value"]
pub struct Tsne {
    perplexity: f64,
    iterations: usize,
}

/// Of two rows with the same neighbours, one is enough for a picture; the distances alone would take 200 MB.
const MOST: usize = 5_000;
/// In the first iterations alike rows draw each other with more force, so that groups form ("early exaggeration").
const EXAGGERATION: f64 = 12.0;
const EXAGGERATED: usize = 250;

impl Default for Tsne {
    fn default() -> Self {
        Self::new()
    }
}

impl Tsne {
    /// A perplexity of 30, and 1,000 iterations.
    pub fn new() -> Self {
        Self {
            perplexity: 30.0,
            iterations: 1_000,
        }
    }

    /// Roughly how many neighbours a row has: 5 to 50 are usual, and fewer than there are rows.
    pub fn perplexity(self, perplexity: f64) -> Self {
        Self { perplexity, ..self }
    }

    /// How many steps the points make, of which the first 250 form groups.
    pub fn iterations(self, iterations: usize) -> Self {
        Self { iterations, ..self }
    }

    /// A point for each row of `features`: (rows, 2), in `f32`, on the CPU.
    ///
    /// # Errors
    /// When there are more than 5,000 rows, no more than the perplexity, a perplexity below 1, or a value that is not finite;
    /// [`Error::Interrupted`].
    pub fn fit_transform(&self, features: &Tensor) -> Result<Tensor> {
        let features = rows(features)?;
        let count = features.dim(0)?;
        if count > MOST {
            return Err(Error::Invalid(format!(
                "t-SNE of {} would take too long: choose at most {MOST}, as by Dataset::take",
                counted(count, "row")
            )));
        }
        if !(1.0..count as f64).contains(&self.perplexity) {
            return Err(Error::Invalid(format!(
                "the perplexity of t-SNE is 1 or more, and less than the number of rows ({count}), not {}",
                self.perplexity
            )));
        }
        let stop = Interruptible::begin();
        let alike = similarities(&features, self.perplexity)?;
        let mut points = Points::beginning(&features)?;
        for iteration in 0..self.iterations {
            if stop.requested() {
                return Err(Error::Interrupted);
            }
            points.step(&alike, iteration);
        }
        let rows = Tensor::from_vec(points.at.concat(), (2, count), &Device::Cpu)?;
        Ok(rows.t()?.contiguous()?.to_dtype(DType::F32)?)
    }
}

/// The points on their way: two rows of coordinates.
struct Points {
    at: [Vec<f64>; 2],
    movement: [Vec<f64>; 2],
    /// For each coordinate, how much faster it moves (Jacobs, 1988).
    gains: [Vec<f64>; 2],
}

impl Points {
    /// The first two principal components, very small.
    fn beginning(features: &Tensor) -> Result<Self> {
        let (count, numbers) = features.dims2()?;
        let wanted = 2.min(numbers).min(count);
        let components = Pca::fit(features, wanted)?.project(features)?;
        let components = components.t()?.to_vec2::<f64>()?;
        let squares: f64 = components[0].iter().map(|it| it * it).sum();
        let deviation = (squares / count as f64).sqrt();
        let scale = if deviation > 0.0 {
            1e-4 / deviation
        } else {
            0.0
        };
        let row = |axis: usize| match components.get(axis) {
            Some(row) => row.iter().map(|it| it * scale).collect(),
            None => vec![0.0; count],
        };
        Ok(Self {
            at: [0, 1].map(row),
            movement: [0, 1].map(|_| vec![0.0; count]),
            gains: [0, 1].map(|_| vec![1.0; count]),
        })
    }

    /// One step down the gradient, with scikit-learn's rate and momentum.
    fn step(&mut self, alike: &[f64], iteration: usize) {
        if iteration == EXAGGERATED {
            self.movement.iter_mut().for_each(|it| it.fill(0.0));
            self.gains.iter_mut().for_each(|it| it.fill(1.0));
        }
        let (exaggeration, momentum) = match iteration < EXAGGERATED {
            true => (EXAGGERATION, 0.5),
            false => (1.0, 0.8),
        };
        let count = self.at[0].len();
        let rate = (count as f64 / EXAGGERATION / 4.0).max(50.0);
        let forces = alike.par_chunks(count).enumerate();
        let forces: Vec<Forces> = forces
            .map(|(point, alike)| Forces::on(point, alike, &self.at))
            .collect();
        // Each point is its own neighbour of weight 1.
        let all = forces.iter().map(|forces| forces.weight).sum::<f64>() - count as f64;
        for axis in 0..2 {
            let at = self.at[axis].iter_mut().zip(&mut self.movement[axis]);
            let at = at.zip(&mut self.gains[axis]);
            for (((at, movement), gain), forces) in at.zip(&forces) {
                let gradient =
                    4.0 * (exaggeration * forces.drawn[axis] - forces.pushed[axis] / all);
                *gain = match *movement * gradient < 0.0 {
                    true => *gain + 0.2,
                    false => (*gain * 0.8).max(0.01),
                };
                *movement = momentum * *movement - rate * *gain * gradient;
                *at += *movement;
            }
        }
    }
}

/// What all points do to one of them.
#[derive(Default)]
struct Forces {
    drawn: [f64; 2],
    pushed: [f64; 2],
    /// The sum of the Student weights of all, itself included.
    weight: f64,
}

impl Forces {
    fn on(point: usize, alike: &[f64], [xs, ys]: &[Vec<f64>; 2]) -> Self {
        let own = [xs[point], ys[point]];
        let mut forces = Self::default();
        // Sums side by side, so that the compiler makes vector instructions of them.
        let ((alike, rest), (xs, x_rest), (ys, y_rest)) =
            (alike.as_chunks::<8>(), xs.as_chunks(), ys.as_chunks());
        forces.add(own, alike, [xs, ys]);
        let ((alike, _), (xs, _), (ys, _)) = (
            rest.as_chunks::<1>(),
            x_rest.as_chunks(),
            y_rest.as_chunks(),
        );
        forces.add(own, alike, [xs, ys]);
        forces
    }

    fn add<const SIDE: usize>(
        &mut self,
        [x, y]: [f64; 2],
        alike: &[[f64; SIDE]],
        [xs, ys]: [&[[f64; SIDE]]; 2],
    ) {
        let mut sums = [[0.0; SIDE]; 5];
        for ((alike, xs), ys) in alike.iter().zip(xs).zip(ys) {
            for lane in 0..SIDE {
                let (dx, dy) = (x - xs[lane], y - ys[lane]);
                let weight = 1.0 / (1.0 + dx * dx + dy * dy);
                let (drawn, pushed) = (alike[lane] * weight, weight * weight);
                sums[0][lane] += drawn * dx;
                sums[1][lane] += drawn * dy;
                sums[2][lane] += pushed * dx;
                sums[3][lane] += pushed * dy;
                sums[4][lane] += weight;
            }
        }
        let [x, y, away_x, away_y, weight] = sums.map(|lanes| lanes.iter().sum::<f64>());
        self.drawn = [self.drawn[0] + x, self.drawn[1] + y];
        self.pushed = [self.pushed[0] + away_x, self.pushed[1] + away_y];
        self.weight += weight;
    }
}
