//! A step at a time, for training loops of one's own.

use super::batch::Batch;
use super::epoch::{check_rate, train_step};
use super::processes::Team;
use super::run::check_training;
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::data::shuffled;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::nn::Step;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchResult {
    /// Mean loss of the batch, before the step.
    pub loss: f32,
    /// Fraction classified correctly before the step, 0 to 1; `None` where the network does not classify.
    pub accuracy: Option<f32>,
}

/// One step on all images of `batch`, at the learning rate of `config`: Keras's `train_on_batch`. Loss, optimiser,
/// decay, clipping, augmentation and seed are those of `config`; its epochs, schedule, early stopping and files play no
/// part. The model's history does not grow.
///
/// ```
/// use fmnist_lib::*;
///
/// # let train = Dataset::new(vec![7; 100 * PIXELS], (0..100).map(|i| i % 10).collect())?;
/// let mut model = one_layer().build(42)?;
/// for epoch in 1..=2 {
///     let config = FitConfig::default().learning_rate(0.001 / epoch as f64);
///     for batch in train.batches(50, 42, epoch) {
///         println!("{}", train_on_batch(&mut model, &batch, &config)?.loss);
///     }
/// }
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// As for [`fit`](crate::fit); when `config` wants an average of the weights, which only `fit` keeps; and
/// [`Error::Interrupted`] where Ctrl-C or a notebook's Stop came during the step, which is done then.
pub fn train_on_batch(
    model: &mut Model,
    batch: &Dataset,
    config: &FitConfig,
) -> Result<BatchResult> {
    check_training(model, config, batch)?;
    check_rate(config.learning_rate)?;
    if config.ema_momentum.is_some() {
        return Err(Error::Invalid(
            "train_on_batch keeps no average of the weights: leave out ema_momentum, or call fit"
                .into(),
        ));
    }
    let team = Team::alone();
    let number = model.optimizer.steps + 1;
    let step = Step {
        seed: config.seed,
        epoch: 1,
        step: number,
    };
    let indices: Vec<usize> = (0..batch.len()).collect();
    let images = Batch {
        dataset: batch,
        indices: &indices,
        // Each step changes the images otherwise, as each epoch of `fit` does.
        epoch: number,
    };
    let rate = config.learning_rate;
    let (loss, correct) = train_step(model, &images, config, step, rate, &team)?;
    if team.stop_requested() {
        return Err(Error::Interrupted);
    }
    Ok(BatchResult {
        loss,
        accuracy: correct.map(|correct| correct as f32 / batch.len() as f32),
    })
}

impl Dataset {
    /// All images in the order in which [`fit`](crate::fit) visits them in epoch `epoch` (from 1) with `seed`,
    /// `batch_size` at a time; the last batch may be smaller. None for a size of 0.
    pub fn batches(
        &self,
        batch_size: usize,
        seed: u64,
        epoch: usize,
    ) -> impl Iterator<Item = Self> + '_ {
        let order = shuffled(self.len(), seed, epoch);
        let starts = (0..order.len()).step_by(batch_size.max(1));
        starts.filter(move |_| batch_size > 0).map(move |start| {
            let end = start.saturating_add(batch_size).min(order.len());
            self.select(&order[start..end])
                .expect("the order is one of these images")
        })
    }
}
