//! Measures of a classifier.

use candle_core::{D, DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{CLASSES, Error, Result};

/// How many rows of `logits` (batch, classes) are largest at their label.
pub(crate) fn correct(logits: &Tensor, labels: &Tensor) -> Result<usize> {
    let hits = logits
        .argmax(D::Minus1)?
        .eq(labels)?
        .to_dtype(DType::U32)?
        .sum_all()?;
    Ok(hits.to_scalar::<u32>()? as usize)
}

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    counts: [[usize; CLASSES]; CLASSES],
}

impl ConfusionMatrix {
    /// Counts each pair of a true label and a predicted class.
    ///
    /// # Errors
    /// When the two have different lengths or one holds a class above 9.
    pub fn new(labels: &[u8], predicted: &[u8]) -> Result<Self> {
        if labels.len() != predicted.len() {
            return Err(Error::Invalid(format!(
                "{} labels cannot be compared with {} predictions",
                labels.len(),
                predicted.len()
            )));
        }
        let mut counts = [[0; CLASSES]; CLASSES];
        for (&label, &class) in labels.iter().zip(predicted) {
            *counts
                .get_mut(usize::from(label))
                .and_then(|row| row.get_mut(usize::from(class)))
                .ok_or_else(|| {
                    Error::Invalid(format!("class {} is not one of 0 to 9", label.max(class)))
                })? += 1;
        }
        Ok(Self { counts })
    }

    /// Row by true class, column by predicted class.
    pub fn counts(&self) -> &[[usize; CLASSES]; CLASSES] {
        &self.counts
    }

    /// Fraction of all images on the diagonal, 0 to 1; NaN without images.
    pub fn accuracy(&self) -> f64 {
        let right: usize = (0..CLASSES).map(|class| self.counts[class][class]).sum();
        right as f64 / self.counts.as_flattened().iter().sum::<usize>() as f64
    }

    /// Of the images called `class`, the fraction that are; NaN where none was.
    ///
    /// # Panics
    /// When `class` is above 9.
    pub fn precision(&self, class: usize) -> f64 {
        let called: usize = self.counts.iter().map(|row| row[class]).sum();
        self.counts[class][class] as f64 / called as f64
    }

    /// Of the images of `class`, the fraction that were called so; NaN where there is none.
    ///
    /// # Panics
    /// When `class` is above 9.
    pub fn recall(&self, class: usize) -> f64 {
        let there: usize = self.counts[class].iter().sum();
        self.counts[class][class] as f64 / there as f64
    }
}
