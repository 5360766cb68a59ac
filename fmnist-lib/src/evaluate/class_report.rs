//! Precision, recall and F1, class by class.

use std::fmt;

use super::{ConfusionMatrix, Predictions, refuse_empty};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::support::table::{Table, escape};

/// How well each class is told from the others, as `sklearn.metrics.classification_report` says it: the text is the
/// same. Made by [`ConfusionMatrix::classification_report`].
#[derive(Clone, Debug, PartialEq)]
pub struct ClassificationReport {
    /// One row for each class.
    pub classes: Vec<ClassScores>,
    /// Fraction of all images that were called what they are, 0 to 1.
    pub accuracy: f64,
    /// The means over the classes, each counting alike.
    pub macro_average: ClassScores,
    /// The means over the classes, each counting by its images.
    pub weighted_average: ClassScores,
}

/// What a [`ClassificationReport`] says of a class. Each score is 0 to 1, and 0 where nothing is there to be counted.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScores {
    /// The class.
    pub name: String,
    /// Of the images called so, the fraction that are.
    pub precision: f64,
    /// Of the images that are, the fraction called so.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// How many images are of the class.
    pub support: usize,
}

impl ConfusionMatrix {
    /// Precision, recall and F1 of each class, and their means.
    ///
    /// ```
    /// # use fmnist_lib::*;
    /// let confusion = ConfusionMatrix::new(&[0, 0, 6, 6], &[0, 6, 6, 6])?;
    /// let shirts = &confusion.classification_report().classes[6];
    /// assert_eq!((shirts.precision, shirts.recall, shirts.f1), (2.0 / 3.0, 1.0, 0.8));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn classification_report(&self) -> ClassificationReport {
        let or_zero = |score: f64| if score.is_nan() { 0.0 } else { score };
        let of_class = |(class, name): (usize, &String)| {
            let (precision, recall) = (or_zero(self.precision(class)), or_zero(self.recall(class)));
            ClassScores {
                name: name.clone(),
                precision,
                recall,
                f1: or_zero(2.0 * precision * recall / (precision + recall)),
                support: self.counts()[class].iter().sum(),
            }
        };
        let names = self.class_names().iter().enumerate();
        let classes: Vec<ClassScores> = names.map(of_class).collect();
        let mean = |name: &str, weight: &dyn Fn(&ClassScores) -> f64| {
            let all: f64 = classes.iter().map(weight).sum();
            let of = |score: fn(&ClassScores) -> f64| {
                let sum: f64 = classes.iter().map(|it| weight(it) * score(it)).sum();
                or_zero(sum / all)
            };
            ClassScores {
                name: name.to_owned(),
                precision: of(|it| it.precision),
                recall: of(|it| it.recall),
                f1: of(|it| it.f1),
                support: classes.iter().map(|it| it.support).sum(),
            }
        };
        ClassificationReport {
            accuracy: or_zero(self.accuracy()),
            macro_average: mean("macro avg", &|_| 1.0),
            weighted_average: mean("weighted avg", &|it| it.support as f64),
            classes,
        }
    }
}

impl ClassificationReport {
    pub(crate) fn to_html(&self) -> String {
        let row = |scores: &ClassScores| {
            let [precision, recall, f1] =
                [scores.precision, scores.recall, scores.f1].map(|it| format!("{it:.4}"));
            let name = escape(&scores.name);
            [name, precision, recall, f1, scores.support.to_string()]
        };
        let mut rows: Vec<[String; 5]> = self.classes.iter().map(row).collect();
        let accuracy = format!("{:.4}", self.accuracy);
        let all = self.macro_average.support.to_string();
        let empty = String::new;
        rows.push(["accuracy".to_owned(), empty(), empty(), accuracy, all]);
        rows.extend([&self.macro_average, &self.weighted_average].map(row));
        Table::new(["", "precision", "recall", "F1", "support"], rows).to_html()
    }
}

/// As scikit-learn prints it with four digits.
impl fmt::Display for ClassificationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let averages = [&self.macro_average, &self.weighted_average];
        let names = self.classes.iter().chain(averages);
        let width = names.map(|it| it.name.chars().count()).max().unwrap_or(0);
        let row = |it: &ClassScores| {
            let (name, support) = (&it.name, it.support);
            let scores = [it.precision, it.recall, it.f1].map(|it| format!("{it:9.4}"));
            format!("\n{name:>width$}  {} {support:>9}", scores.join(" "))
        };
        let rows = |all: &[&ClassScores]| all.iter().map(|it| row(it)).collect::<String>();
        let classes: Vec<&ClassScores> = self.classes.iter().collect();
        write!(
            f,
            "{:width$}  precision    recall  f1-score   support\n{}\n\n{:>width$}  {:29.4} {:9}{}",
            "",
            rows(&classes),
            "accuracy",
            self.accuracy,
            self.macro_average.support,
            rows(&averages)
        )
    }
}

impl Predictions {
    /// Fraction of the images whose own class is among the `k` most probable, 0 to 1, as in
    /// `keras.metrics.SparseTopKCategoricalAccuracy`: classes of the same probability count as one place.
    ///
    /// # Errors
    /// When they are not of as many images as `dataset` has, or of other classes, or it has none; or `k` is 0.
    pub fn top_k_accuracy(&self, dataset: &Dataset, k: usize) -> Result<f64> {
        if k == 0 {
            return Err(Error::Invalid(
                "top_k_accuracy: k is 1 or more; with 1 it is the accuracy".into(),
            ));
        }
        self.check_images("top_k_accuracy", dataset)?;
        refuse_empty(dataset)?;
        let mut right = 0;
        for (row, &label) in self.probabilities.iter().zip(dataset.labels()) {
            let own = row.get(usize::from(label)).ok_or_else(|| {
                Error::Invalid(format!(
                    "top_k_accuracy: an image is of class {label}, but the predictions are of {} classes",
                    row.len()
                ))
            })?;
            let before = row.iter().filter(|other| *other > own).count();
            right += usize::from(own.is_finite() && before < k);
        }
        Ok(right as f64 / dataset.len() as f64)
    }
}
