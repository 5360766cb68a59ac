//! Which classes are taken for which.

use serde::{Deserialize, Serialize};

use crate::data::{CLASS_NAMES, Dataset, fashion_names};
use crate::error::{Error, Result};
use crate::support::table::counted;

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<usize>>,
    // Those of Fashion-MNIST are in no file.
    #[serde(default = "fashion_names", skip_serializing_if = "is_fashion")]
    class_names: Vec<String>,
}

fn is_fashion(class_names: &[String]) -> bool {
    class_names == CLASS_NAMES
}

impl ConfusionMatrix {
    /// Counts each pair of a true label and a predicted class of Fashion-MNIST.
    ///
    /// # Errors
    /// When the two have different lengths or one holds a class above 9.
    pub fn new(labels: &[u8], predicted: &[u8]) -> Result<Self> {
        Self::count(labels, predicted, fashion_names())
    }

    /// Counts each pair of a label of `dataset` and the class that its image was called.
    ///
    /// # Errors
    /// When there are not as many predictions as images, or one is no class of `dataset`.
    pub fn of(dataset: &Dataset, predicted: &[u8]) -> Result<Self> {
        Self::count(dataset.labels(), predicted, dataset.class_names().to_vec())
    }

    fn count(labels: &[u8], predicted: &[u8], class_names: Vec<String>) -> Result<Self> {
        if labels.len() != predicted.len() {
            return Err(Error::Invalid(format!(
                "{} cannot be compared with {}",
                counted(labels.len(), "label"),
                counted(predicted.len(), "prediction")
            )));
        }
        let classes = class_names.len();
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &class) in labels.iter().zip(predicted) {
            *counts
                .get_mut(usize::from(label))
                .and_then(|row| row.get_mut(usize::from(class)))
                .ok_or_else(|| {
                    Error::Invalid(format!(
                        "class {} is not one of 0 to {}",
                        label.max(class),
                        classes - 1
                    ))
                })? += 1;
        }
        Ok(Self {
            counts,
            class_names,
        })
    }

    /// Row by true class, column by predicted class.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    /// What the rows and columns stand for.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Fraction of all images on the diagonal, 0 to 1; NaN without images.
    pub fn accuracy(&self) -> f64 {
        let rows = self.counts.iter().enumerate();
        let right: usize = rows.map(|(class, row)| row[class]).sum();
        right as f64 / self.counts.iter().flatten().sum::<usize>() as f64
    }

    /// Of the images called `class`, the fraction that are; NaN where none was.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn precision(&self, class: usize) -> f64 {
        let called: usize = self.counts.iter().map(|row| row[class]).sum();
        self.counts[class][class] as f64 / called as f64
    }

    /// Of the images of `class`, the fraction that were called so; NaN where there is none.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn recall(&self, class: usize) -> f64 {
        let there: usize = self.counts[class].iter().sum();
        self.counts[class][class] as f64 / there as f64
    }
}
