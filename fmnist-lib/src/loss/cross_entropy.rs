use candle_core::{D, Tensor};
use candle_nn::loss;
use candle_nn::ops::log_softmax;

use super::{Loss, Targets};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// Cross-entropy, as a run wants it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CrossEntropy<'a> {
    /// The part of the target that all classes share.
    pub(crate) label_smoothing: f64,
    /// What an image of each class counts; 1 where this is empty.
    pub(crate) class_weight: &'a [f64],
}

impl Loss for CrossEntropy<'_> {
    fn of_batch(&self, scores: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
        let labels = targets.labels;
        if self.class_weight.is_empty() {
            let plain = loss::cross_entropy(scores, labels)?;
            return self.smoothed(plain, || Ok(log_softmax(scores, D::Minus1)?.mean_all()?));
        }
        let logarithms = log_softmax(scores, D::Minus1)?;
        let of_label = logarithms
            .gather(&labels.unsqueeze(1)?, 1)?
            .squeeze(1)?
            .neg()?;
        let each = self.smoothed(of_label, || Ok(logarithms.mean(D::Minus1)?))?;
        let weights: Vec<f32> = self
            .class_weight
            .iter()
            .map(|&weight| weight as f32)
            .collect();
        let weights = Tensor::new(weights, scores.device())?.index_select(labels, 0)?;
        Ok((each * weights)?.mean_all()?)
    }

    fn check(&self, output_shape: &[usize], dataset: &Dataset) -> Result<()> {
        let classes = dataset.classes();
        if output_shape == [classes] {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "it gives {output_shape:?} for each image, but cross-entropy needs {classes} scores, one for each class, \
             as Dense::new({classes}) gives them{}",
            match output_shape == dataset.shape() {
                true =>
                    ". A network that gives images is trained with FitConfig::loss(MeanSquaredError::new()) and \
                         measured with mean_loss",
                false => "",
            }
        )))
    }
}

impl CrossEntropy<'_> {
    /// Refuses weights that do not belong to the classes of `dataset`.
    pub(crate) fn check_weights(&self, dataset: &Dataset) -> Result<()> {
        let (weights, classes) = (self.class_weight, dataset.classes());
        let refuse = |problem: String| Err(Error::Invalid(problem));
        if ![0, classes].contains(&weights.len()) {
            return refuse(format!(
                "the images have {classes} classes, but there are {} class weights: Dataset::balanced_weights \
                 gives one for each",
                weights.len()
            ));
        }
        let positive = |&weight: &f64| (weight as f32).is_finite() && weight >= 0.0;
        match weights.iter().position(|weight| !positive(weight)) {
            Some(class) => refuse(format!(
                "the weight of class {class} must be 0 or more (1 is usual), not {}",
                weights[class]
            )),
            None => Ok(()),
        }
    }

    /// A part of the cross-entropy with the labels gives way to one with the uniform distribution, whose
    /// negative is `uniform`.
    fn smoothed(&self, plain: Tensor, uniform: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let part = self.label_smoothing;
        if part == 0.0 {
            return Ok(plain);
        }
        Ok(((plain * (1.0 - part))? + (uniform()?.neg()? * part)?)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::{Device, Tensor};

    use super::{CrossEntropy, Loss, Targets};

    /// The losses of Keras 3.15.1: `CategoricalCrossentropy(from_logits=True, label_smoothing=...)` in
    /// `train_on_batch` with and without `class_weight={0: 0.5, 1: 2.0, 2: 3.0}`.
    #[test]
    fn smoothing_and_class_weights_are_those_of_keras() {
        let scores = [
            [2.0_f32, -1.0, 0.5],
            [0.3, 0.1, -0.7],
            [1.5, 2.5, -2.0],
            [0.0, 0.0, 1.0],
        ];
        let scores = Tensor::new(&scores, &Device::Cpu).unwrap();
        let labels = Tensor::new(&[0_u32, 2, 1, 2], &Device::Cpu).unwrap();
        for (label_smoothing, class_weight, keras) in [
            (0.0, &[][..], 0.724_114_66),
            (0.0, &[0.5, 2.0, 3.0], 1.941_186_9),
            (0.2, &[], 0.894_114_7),
            (0.2, &[0.5, 2.0, 3.0], 2.172_020_2),
        ] {
            let loss = CrossEntropy {
                label_smoothing,
                class_weight,
            };
            let targets = Targets {
                labels: &labels,
                images: &labels,
                classes: 3,
            };
            let found = loss.of_batch(&scores, &targets).unwrap();
            let found: f32 = found.to_scalar().unwrap();
            assert!(
                (found - keras).abs() < 1e-6,
                "{loss:?}: {found} for {keras}"
            );
        }
    }
}
