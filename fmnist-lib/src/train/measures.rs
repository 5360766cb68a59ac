//! Metrics, measured while training.

use std::fmt;
use std::ops::ControlFlow;

use super::Callback;
use crate::data::Dataset;
use crate::error::Result;
use crate::evaluate::{Metric, predict};
use crate::history::EpochRecord;
use crate::model::Model;
use crate::support::table::Table;

/// Measures a model after each epoch by metrics of your choice, as `metrics` of Keras's `compile` do.
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let data = FashionMnist::load()?;
/// # let (train, validation) = Split::new(0.8, 42).apply(&data.train)?;
/// let mut measures = Measures::of(&validation).metric(TopKAccuracy(3)).metric(MacroF1);
/// let mut model = one_layer().build(42)?;
/// fit_with(&mut model, &train, &validation, FitConfig::default(), &mut [&mut measures])?;
/// println!("{measures}");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
#[must_use = "fit_with takes it as a callback"]
pub struct Measures {
    dataset: Dataset,
    metrics: Vec<Box<dyn Metric>>,
    epochs: Vec<(usize, Vec<f64>)>,
}

impl Measures {
    /// Of `dataset`, which is copied.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            dataset: dataset.clone(),
            metrics: Vec::new(),
            epochs: Vec::new(),
        }
    }

    /// Adds a metric.
    pub fn metric(mut self, metric: impl Metric + 'static) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// The number of each epoch, and what each metric, in the order in which they were added, said after it.
    pub fn epochs(&self) -> &[(usize, Vec<f64>)] {
        &self.epochs
    }

    /// For each epoch its number and what the metric of this name said, as `plot::lines` takes it; empty where no
    /// metric has the name.
    pub fn points(&self, name: &str) -> Vec<(f64, f64)> {
        let at = self.metrics.iter().position(|metric| metric.name() == name);
        let of = |at: usize| self.epochs.iter().map(move |(n, all)| (*n as f64, all[at]));
        at.map_or_else(Vec::new, |at| of(at).collect())
    }

    pub(crate) fn table(&self) -> Table {
        let names = self.metrics.iter().map(|metric| metric.name());
        let header = std::iter::once("epoch".to_owned()).chain(names).collect();
        let row = |(epoch, values): &(usize, Vec<f64>)| {
            let values = values.iter().map(|value| format!("{value:.4}"));
            std::iter::once(epoch.to_string()).chain(values).collect()
        };
        Table::of(header, self.epochs.iter().map(row).collect())
    }
}

impl Callback for Measures {
    fn on_epoch_end(&mut self, model: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        let predictions = predict(model, &self.dataset)?;
        let metrics = self.metrics.iter();
        let values: Result<Vec<f64>> = metrics
            .map(|metric| metric.measure(&predictions, &self.dataset))
            .collect();
        self.epochs.push((record.epoch, values?));
        Ok(ControlFlow::Continue(()))
    }
}

/// A table with one row per epoch.
impl fmt::Display for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}
