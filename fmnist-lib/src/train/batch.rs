//! What one step learns from.

use crate::config::FitConfig;
use crate::data::{Dataset, augmented_batch};
use crate::error::Result;
use crate::loss::Targets;
use crate::model::{Gradients, Model};
use crate::nn::Step;
use crate::nn::stage::Part;

/// Images of a dataset.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) indices: &'a [usize],
    /// In which epoch augmentation sees them: it changes them otherwise in each.
    pub(super) epoch: usize,
}

impl Batch<'_> {
    /// Loss and gradients of these images, which are `part` of what a step learns from.
    pub(super) fn gradients(
        &self,
        part: Part<'_>,
        model: &Model,
        config: &FitConfig,
        step: Step,
    ) -> Result<Gradients> {
        let (images, labels) = augmented_batch(
            self.dataset,
            self.indices,
            model.spec().input_scaling(),
            &config.augmentation,
            (config.seed, self.epoch),
            model.device(),
        )?;
        let targets = Targets {
            labels: &labels,
            images: &images,
            classes: self.dataset.classes(),
        };
        model.gradients_of(part, &targets, &*config.training_loss(), step)
    }
}
