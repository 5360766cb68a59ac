//! Principal component analysis.

use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{chunks, eigen, rows};
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;
use crate::support::table::counted;

/// Principal component analysis, scikit-learn's `PCA`: the directions along which rows of numbers differ most, each at a
/// right angle to those before it. In each, the largest number is positive, as in scikit-learn.
///
/// ```
/// use fmnist_lib::candle_core::{Device, Tensor};
/// use fmnist_lib::Pca;
///
/// let rows = Tensor::new(&[[1.0, 1.0, 5.0], [2.0, 2.1, 5.0], [3.0, 2.9, 5.0]], &Device::Cpu)?;
/// let pca = Pca::fit(&rows, 2)?;
/// assert!(pca.explained_variance_ratio()[0] > 0.99);
/// assert_eq!(pca.transform(&rows)?.dims(), [3, 2]);
/// # Ok::<(), fmnist_lib::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pca {
    /// (1, numbers in a row)
    mean: Tensor,
    /// (numbers in a row, components)
    directions: Tensor,
    explained: Vec<f64>,
}

/// Directions that are followed besides those that are wanted, so that these come sooner (Halko et al., 2011).
const MORE: usize = 10;
/// What is left of a direction when the rows have been applied to it, as a part of the largest eigenvalue.
const TOLERANCE: f64 = 1e-9;
const ROUNDS: usize = 500;

impl Pca {
    /// Finds the first `components` directions of `features`, which has one row for each image, such as
    /// [`outputs`](crate::outputs) gives; what has more dimensions is taken as flat. The same rows give the same bits,
    /// whatever the number of threads.
    ///
    /// # Errors
    /// When there are fewer than two rows, fewer rows or numbers in a row than `components`, no component is asked for, or
    /// a value is not finite; [`Error::Interrupted`].
    pub fn fit(features: &Tensor, components: usize) -> Result<Self> {
        let features = rows(features)?;
        let (count, numbers) = features.dims2()?;
        if count < 2 || !(1..=count.min(numbers)).contains(&components) {
            return Err(Error::Invalid(format!(
                "{} cannot be found in {} of {}: there must be two rows or more, and no more components than rows or \
                 numbers in a row",
                counted(components, "component"),
                counted(count, "row"),
                counted(numbers, "number")
            )));
        }
        let mean = chunks(&features).try_fold(
            Tensor::zeros((1, numbers), DType::F64, &Device::Cpu)?,
            |sum, chunk| Ok::<_, Error>((sum + chunk?.sum_keepdim(0)? / count as f64)?),
        )?;
        let centred = Centred {
            rows: &features,
            mean: &mean,
        };
        let spread = centred.spread()?;
        let (mut directions, values) = centred.directions(components)?;
        for direction in &mut directions {
            let largest = direction.iter().copied().fold(0.0, larger);
            direction.iter_mut().for_each(|it| *it *= largest.signum());
        }
        let explained = values
            .iter()
            .map(|value| value / spread.max(f64::MIN_POSITIVE));
        Ok(Self {
            explained: explained.collect(),
            directions: columns(&directions)?,
            mean,
        })
    }

    /// Where rows lie along the directions: (rows, components), in `f32`, on the CPU.
    ///
    /// # Errors
    /// When the rows are not as long as those of [`fit`](Self::fit), or a value is not finite.
    pub fn transform(&self, features: &Tensor) -> Result<Tensor> {
        Ok(self.project(features)?.to_dtype(DType::F32)?)
    }

    /// As [`transform`](Self::transform), in `f64`.
    pub(super) fn project(&self, features: &Tensor) -> Result<Tensor> {
        let features = rows(features)?;
        let (found, wanted) = (features.dim(1)?, self.mean.dim(1)?);
        if found != wanted {
            return Err(Error::Invalid(format!(
                "the components are of rows of {}, but these have {found}",
                counted(wanted, "number")
            )));
        }
        let centred = Centred {
            rows: &features,
            mean: &self.mean,
        };
        let parts = centred
            .chunks()
            .map(|chunk| Ok(chunk?.matmul(&self.directions)?));
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// For each component, its part of the variance of all rows, 0 to 1.
    pub fn explained_variance_ratio(&self) -> &[f64] {
        &self.explained
    }
}

/// Whichever lies further from 0; the first of equals.
fn larger(one: f64, other: f64) -> f64 {
    if other.abs() > one.abs() { other } else { one }
}

/// Vectors as the columns of a matrix.
fn columns(vectors: &[Vec<f64>]) -> Result<Tensor> {
    let shape = (vectors.len(), vectors.first().map_or(0, Vec::len));
    let rows = Tensor::from_vec(vectors.concat(), shape, &Device::Cpu)?;
    Ok(rows.t()?.contiguous()?)
}

/// Rows with their mean taken away.
struct Centred<'a> {
    rows: &'a Tensor,
    mean: &'a Tensor,
}

impl Centred<'_> {
    fn chunks(&self) -> impl Iterator<Item = Result<Tensor>> {
        chunks(self.rows).map(|chunk| Ok(chunk?.broadcast_sub(self.mean)?))
    }

    /// The sum of all squares.
    fn spread(&self) -> Result<f64> {
        self.chunks().try_fold(0.0, |sum, chunk| {
            Ok(sum + chunk?.sqr()?.sum_all()?.to_scalar::<f64>()?)
        })
    }

    /// The rows applied to the columns of `directions`, and the transposed rows to that.
    fn apply(&self, directions: &Tensor) -> Result<Tensor> {
        let mut sum = directions.zeros_like()?;
        for chunk in self.chunks() {
            let chunk = chunk?;
            sum = (sum + chunk.t()?.matmul(&chunk.matmul(directions)?)?)?;
        }
        Ok(sum)
    }

    /// The eigenvectors of the rows' scatter matrix with the largest eigenvalues, and these, by orthogonal iteration with
    /// Rayleigh and Ritz's step (Golub & Van Loan, 8.2).
    fn directions(&self, wanted: usize) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
        let (count, numbers) = self.rows.dims2()?;
        let followed = (wanted + MORE).min(count).min(numbers);
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut start = || StandardNormal.sample(&mut random);
        let start = (0..followed).map(|_| (0..numbers).map(|_| start()).collect());
        let mut directions = start.collect::<Vec<Vec<f64>>>();
        let mut values = Vec::new();
        let stop = Interruptible::begin();
        for _ in 0..ROUNDS {
            if stop.requested() {
                return Err(Error::Interrupted);
            }
            orthonormalise(&mut directions);
            let applied: Vec<Vec<f64>> = self.apply(&columns(&directions)?)?.t()?.to_vec2()?;
            let products = directions
                .iter()
                .map(|one| applied.iter().map(|other| dot(one, other)).collect());
            let pairs = eigen::symmetric(products.collect());
            let turned = |vectors: &[Vec<f64>]| -> Vec<Vec<f64>> {
                pairs
                    .iter()
                    .map(|(_, factors)| combined(factors, vectors))
                    .collect()
            };
            let next = turned(&applied);
            directions = turned(&directions);
            values = pairs.iter().map(|(value, _)| *value).collect();
            let left = |at: usize| {
                let rest = next[at].iter().zip(&directions[at]);
                rest.map(|(next, it)| (next - values[at] * it).powi(2))
                    .sum::<f64>()
                    .sqrt()
            };
            if (0..wanted).all(|at| left(at) <= TOLERANCE * values[0]) {
                break;
            }
            directions = next;
        }
        orthonormalise(&mut directions);
        directions.truncate(wanted);
        values.truncate(wanted);
        Ok((directions, values))
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

/// The sum of `vectors`, each times its factor.
fn combined(factors: &[f64], vectors: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for (factor, vector) in factors.iter().zip(vectors) {
        sum.iter_mut()
            .zip(vector)
            .for_each(|(sum, it)| *sum += factor * it);
    }
    sum
}

/// Makes them unit vectors at right angles to each other (Gram and Schmidt, twice, so that rounding does not matter).
fn orthonormalise(vectors: &mut [Vec<f64>]) {
    for at in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(at);
        let vector = &mut rest[0];
        for _ in 0..2 {
            for other in &*before {
                let part = dot(vector, other);
                vector
                    .iter_mut()
                    .zip(other)
                    .for_each(|(it, other)| *it -= part * other);
            }
            let length = dot(vector, vector).sqrt();
            if length > 0.0 {
                vector.iter_mut().for_each(|it| *it /= length);
            }
        }
    }
}
