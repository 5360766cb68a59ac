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
/// let roc = predict(&model, &data.test)?.roc_curve(&data.test, 6)?;
/// let axes = plot::Axes::new("called shirts, of all that are none", "of all shirts");
/// plot::lines(&axes, &[(&format!("shirts: {:.3}", roc.auc), &roc.points)]).save("roc.svg")?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RocCurve {
    /// From (0, 0) to (1, 1): of the images of other classes, and of those of the class, the fractions whose
    /// probability is at least some threshold. One point for each probability that occurs.
    pub points: Vec<(f64, f64)>,
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
        let (mut points, mut auc) = (vec![(0.0, 0.0)], 0.0);
        let (mut false_positives, mut true_positives) = (0, 0);
        for equals in images.chunk_by(|a, b| a.0 == b.0) {
            let more = equals.iter().filter(|(_, is_own)| *is_own).count();
            let wrong = equals.len() - more;
            auc += wrong as f64 * (true_positives as f64 + more as f64 / 2.0);
            true_positives += more;
            false_positives += wrong;
            points.push((
                false_positives as f64 / others as f64,
                true_positives as f64 / own as f64,
            ));
        }
        auc /= own as f64 * others as f64;
        Ok(RocCurve { points, auc })
    }
}
