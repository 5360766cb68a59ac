//! How well a class is told from all others, whatever probability one asks for.

use super::Predictions;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::support::table::counted;

/// The receiver operating characteristic of one class against all others, as `sklearn.metrics.roc_curve` has it.
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let (data, model) = (FashionMnist::load()?, one_layer().build(1)?);
/// let predictions = predict(&model, &data.test)?;
/// let [coats, shirts] = [4, 6].map(|class| predictions.roc_curve(&data.test, class));
/// plot::roc(&[("coats", &coats?), ("shirts", &shirts?)]).save("roc.svg")?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RocCurve {
    /// From (0, 0) to (1, 1): of the images of other classes, and of those of the class, the fractions whose
    /// probability is at least some threshold. One point for each probability that occurs, those left out behind which
    /// the curve goes on as it came (`drop_intermediate=True`). [`plot::roc`](crate::plot::roc) draws them.
    pub points: Vec<(f64, f64)>,
    /// The threshold of each point, from high to low; the first one is infinite, and no probability reaches it.
    pub thresholds: Vec<f64>,
    /// The area below: the probability that an image of the class gets a higher one than an image that is not, equals
    /// counting half. 0.5 is chance, 1 is without a fault.
    pub auc: f64,
}

impl Predictions {
    /// How the images of `class` stand out from all others.
    ///
    /// # Errors
    /// When there are not as many predictions as images, a probability is NaN, or all images are of `class`, or none.
    pub fn roc_curve(&self, dataset: &Dataset, class: usize) -> Result<RocCurve> {
        let refused = |problem: String| Error::Invalid(format!("roc_curve: {problem}"));
        self.check_images("roc_curve", dataset)?;
        let mut images: Vec<(f32, bool)> = Vec::with_capacity(dataset.len());
        for (row, &label) in self.probabilities.iter().zip(dataset.labels()) {
            match row.get(class) {
                Some(probability) if !probability.is_nan() => {
                    images.push((*probability, usize::from(label) == class));
                }
                Some(_) => return Err(refused("a probability is NaN".into())),
                None => return Err(refused(format!("there is no class {class}"))),
            }
        }
        let own = images.iter().filter(|(_, is_own)| *is_own).count();
        let others = images.len() - own;
        if own == 0 || others == 0 {
            return Err(refused(format!(
                "{own} of {} are of class {class}: a curve needs some that are and some that are not",
                counted(images.len(), "image")
            )));
        }
        images.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut found, mut auc) = (Vec::new(), 0.0);
        let (mut false_positives, mut true_positives) = (0, 0);
        for equals in images.chunk_by(|a, b| a.0 == b.0) {
            let more = equals.iter().filter(|(_, is_own)| *is_own).count();
            let wrong = equals.len() - more;
            auc += wrong as f64 * (true_positives as f64 + more as f64 / 2.0);
            true_positives += more;
            false_positives += wrong;
            found.push((equals[0].0, false_positives, true_positives));
        }
        let corners = std::iter::once((f32::INFINITY, 0, 0)).chain(corners(&found));
        let (thresholds, points) = corners
            .map(|(threshold, wrong, right)| {
                let part = (wrong as f64 / others as f64, right as f64 / own as f64);
                (f64::from(threshold), part)
            })
            .unzip();
        auc /= own as f64 * others as f64;
        Ok(RocCurve {
            points,
            thresholds,
            auc,
        })
    }
}

/// A threshold, and how many images of other classes and of the class reach it.
type Counts = (f32, usize, usize);

/// Without the places where the curve goes on as it came, which scikit-learn finds by the second differences. The first
/// and the last one stay.
fn corners(found: &[Counts]) -> impl Iterator<Item = Counts> {
    let last = found.len().saturating_sub(1);
    let is_corner = move |at: &usize| {
        if *at == 0 || *at == last {
            return true;
        }
        let [before, here, after] = [at - 1, *at, at + 1].map(|at| found[at]);
        here.1 - before.1 != after.1 - here.1 || here.2 - before.2 != after.2 - here.2
    };
    (0..found.len()).filter(is_corner).map(|at| found[at])
}
