//! Measures of a classifier besides loss and accuracy.

use std::fmt::Debug;

use super::Predictions;
use crate::data::Dataset;
use crate::error::Result;

/// A measure of what a network says of images, as one of `keras.metrics`: implement it for one of your own.
/// [`Measures`](crate::Measures) takes it after each epoch.
///
/// ```
/// use fmnist_lib::*;
///
/// /// The mean probability that each image's own class gets.
/// #[derive(Debug)]
/// struct Confidence;
///
/// impl Metric for Confidence {
///     fn name(&self) -> String {
///         "confidence".into()
///     }
///
///     fn measure(&self, predictions: &Predictions, dataset: &Dataset) -> Result<f64> {
///         let own = dataset.labels().iter().zip(&predictions.probabilities);
///         let sum: f32 = own.map(|(&label, row)| row[usize::from(label)]).sum();
///         Ok(f64::from(sum) / dataset.len() as f64)
///     }
/// }
/// ```
pub trait Metric: Debug + Send + Sync {
    /// What it is called in a table.
    fn name(&self) -> String;

    /// Measures `predictions` of the images of `dataset`.
    ///
    /// # Errors
    /// When the two do not belong together.
    fn measure(&self, predictions: &Predictions, dataset: &Dataset) -> Result<f64>;
}

/// [`Predictions::top_k_accuracy`], of as many classes as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopKAccuracy(pub usize);

impl Metric for TopKAccuracy {
    fn name(&self) -> String {
        format!("top_{}_accuracy", self.0)
    }

    fn measure(&self, predictions: &Predictions, dataset: &Dataset) -> Result<f64> {
        predictions.top_k_accuracy(dataset, self.0)
    }
}

/// The mean of all classes' F1 scores: `keras.metrics.F1Score(average="macro")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacroF1;

impl Metric for MacroF1 {
    fn name(&self) -> String {
        "f1".into()
    }

    fn measure(&self, predictions: &Predictions, dataset: &Dataset) -> Result<f64> {
        let confusion = super::ConfusionMatrix::of(dataset, &predictions.classes)?;
        Ok(confusion.classification_report().macro_average.f1)
    }
}

/// The mean of the areas below the classes' [`RocCurve`](crate::RocCurve)s, each class against all others:
/// `sklearn.metrics.roc_auc_score(multi_class="ovr")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocAuc;

impl Metric for RocAuc {
    fn name(&self) -> String {
        "auc".into()
    }

    fn measure(&self, predictions: &Predictions, dataset: &Dataset) -> Result<f64> {
        let classes = 0..dataset.classes();
        let areas: Result<Vec<f64>> = classes
            .map(|class| Ok(predictions.roc_curve(dataset, class)?.auc))
            .collect();
        let areas = areas?;
        Ok(areas.iter().sum::<f64>() / areas.len() as f64)
    }
}
