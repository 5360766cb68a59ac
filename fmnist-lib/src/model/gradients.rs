//! One training step, up to the gradients: by the plan on the CPU, layer by layer through Candle elsewhere.

use candle_core::{D, DType, Device, Tensor, Var};

use super::place::forward_by_layers;
use super::{Model, vars};
use crate::config::FitConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::loss::{Loss, Targets};
use crate::nn::stage::Part;
use crate::nn::{Step, f32_slices, on_cpu_in_f32};
use crate::optim::to_host;
use crate::plan::{Plan, PlanPass};
use crate::support::table::counted;

/// What one batch says of the weights.
pub(crate) struct Gradients {
    /// Mean of the batch.
    pub(crate) loss: f32,
    /// Images classified correctly, where the network gives a score for each class.
    pub(crate) correct: Option<usize>,
    /// For each weight, the gradient of the loss; `None` where the loss does not depend on it.
    pub(crate) of_weights: Vec<Option<Vec<f32>>>,
    pub(crate) statistics: Statistics,
}

/// What layers have measured in a training pass, such as moving means: for each weight that its layer keeps up to
/// date, in order, its next value.
pub(crate) struct Statistics(pub(crate) Vec<Tensor>);

impl Statistics {
    /// Those of a forward pass in a step; none of any other.
    pub(super) fn of(pass: &mut PlanPass<'_>) -> Self {
        Self(pass.statistics())
    }
}

impl Gradients {
    /// Whether a step down these gradients leaves numbers.
    pub(crate) fn are_finite(&self) -> bool {
        let mut of_weights = self.of_weights.iter().flatten();
        self.loss.is_finite() && of_weights.all(|gradient| all_finite(gradient))
    }
}

/// Adam keeps a mean of the gradients' squares: that of a larger one is infinite.
const LARGEST: f32 = 1.8e19;

/// By their bits, so that the compiler makes vector instructions of it.
fn all_finite(values: &[f32]) -> bool {
    let size = |value: &f32| value.to_bits() & !(1 << 31);
    values.iter().map(size).fold(0, u32::max) <= LARGEST.to_bits()
}

impl Model {
    /// Loss and gradients of the batch `targets.images`.
    pub(crate) fn gradients(
        &self,
        targets: &Targets<'_>,
        loss: &dyn Loss,
        step: Step,
    ) -> Result<Gradients> {
        self.gradients_of(Part::WHOLE, targets, loss, step)
    }

    /// Of `part` of a batch, whose images are `targets.images`: their mean loss, and what they add to the gradients of
    /// the batch.
    pub(crate) fn gradients_of(
        &self,
        part: Part<'_>,
        targets: &Targets<'_>,
        loss: &dyn Loss,
        step: Step,
    ) -> Result<Gradients> {
        let input = targets.images;
        let mut pass = self.plan_pass(input).map(|pass| pass.of(part));
        let (scores, statistics) = match &mut pass {
            // Candle's graph starts at the scores: behind them the kernels go back by themselves.
            Some(pass) => {
                let scores = self.forward_planned(pass, input, Some(step))?;
                let statistics = Statistics::of(pass);
                (Var::from_tensor(&scores)?.into_inner(), statistics)
            }
            None => self.train_by_layers(input, step)?,
        };
        self.check_scores(&scores, input.dim(0)?)?;
        let loss = loss.of_batch(&scores, targets)?;
        let gradients = loss.backward()?;
        let of_weights = match &mut pass {
            Some(pass) => {
                let of_scores = gradients.get(&scores).ok_or_else(|| {
                    let model = self.spec.name();
                    Error::Invalid(format!("the loss of model {model} depends on no score"))
                })?;
                match part.share {
                    1.0 => self.backward_planned(pass, input, of_scores)?,
                    share => {
                        let of_scores = (of_scores * f64::from(share))?;
                        self.backward_planned(pass, input, &of_scores)?
                    }
                }
            }
            None => {
                let of_weight = |var: &Var| {
                    let of_weight = gradients.get(var).map(to_host).transpose()?;
                    Ok(of_weight.map(|mut values| {
                        values.iter_mut().for_each(|value| *value *= part.share);
                        values
                    }))
                };
                self.vars().map(of_weight).collect::<Result<_>>()?
            }
        };
        Ok(Gradients {
            loss: loss.to_scalar()?,
            correct: (self.output_shape == [targets.classes])
                .then(|| correct(&scores, targets.labels))
                .transpose()?,
            of_weights,
            statistics,
        })
    }

    /// Refuses images of a shape that this network does not take, and outputs that `loss` cannot compare with what
    /// belongs to them.
    pub(crate) fn check_data(&self, dataset: &Dataset, loss: &dyn Loss) -> Result<()> {
        self.check_images(dataset)?;
        loss.check(&self.output_shape, dataset).map_err(|error| {
            let last = self.spec.place().ok();
            let last = last.as_ref().and_then(|placed| placed.last());
            error.about(&format!(
                "model {}, with the last layer {}",
                self.spec.name(),
                last.map_or("", |last| &last.name)
            ))
        })
    }

    /// Refuses images of a shape that this network does not take.
    pub(crate) fn check_images(&self, dataset: &Dataset) -> Result<()> {
        if self.spec.input == dataset.shape() {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "model {} takes images of {:?} (height, width, channels), but these are of {:?}: resize them \
             by Dataset::resized, or build a network for them by ModelSpec::input(data.shape())",
            self.spec.name(),
            self.spec.input,
            dataset.shape()
        )))
    }

    /// Whether this network gives a score for each class of `dataset`.
    pub(crate) fn classifies(&self, dataset: &Dataset) -> bool {
        self.output_shape == [dataset.classes()]
    }

    /// Refuses what a layer of the user's own has given in place of what it said.
    pub(crate) fn check_scores(&self, scores: &Tensor, images: usize) -> Result<()> {
        if scores.dims() == [&[images], &self.output_shape[..]].concat() {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "model {} gives {:?} for {}, but its last layer, {}, said {:?} for each",
            self.spec.name(),
            scores.dims(),
            counted(images, "image"),
            self.spec.place()?.last().map_or("", |last| &last.name),
            self.output_shape,
        )))
    }

    /// A pass by the plan, where there is one and it suits the input.
    pub(super) fn plan_pass(&self, input: &Tensor) -> Option<PlanPass<'_>> {
        let suits = input.dims().get(1..) == Some(&self.spec.input) && on_cpu_in_f32(&[input]);
        self.plan.as_ref().filter(|_| suits).map(Plan::begin)
    }

    pub(super) fn forward_planned(
        &self,
        pass: &mut PlanPass<'_>,
        input: &Tensor,
        step: Option<Step>,
    ) -> Result<Tensor> {
        let weights: Vec<&Tensor> = self.vars().map(|var| var.as_tensor()).collect();
        let count = input.dim(0)?;
        let scores = f32_slices(&[input], |slices| {
            pass.forward(slices[0], count, &weights, step)
        })??;
        let shape = [&[count], &self.output_shape[..]].concat();
        Ok(Tensor::from_vec(scores, shape, &Device::Cpu)?)
    }

    /// The scores of a training pass, layer by layer, in a graph that leads back to the weights.
    pub(super) fn train_by_layers(
        &self,
        input: &Tensor,
        step: Step,
    ) -> Result<(Tensor, Statistics)> {
        let mut statistics = Vec::new();
        let mut weights = Vec::with_capacity(self.weights.len());
        for weight in &self.weights {
            // Layers change their statistics in place: those of a step that fails are thrown away.
            weights.push(if weight.learns() {
                weight.var.as_tensor().clone()
            } else {
                weight.var.as_detached_tensor().copy()?
            });
            if weight.is_statistic() {
                statistics.extend(weights.last().cloned());
            }
        }
        let placed = self.spec.place()?;
        let frozen = self.frozen_layers(&placed);
        let scores = forward_by_layers(&placed, input, &weights, &frozen, Some(step))?;
        Ok((scores, Statistics(statistics)))
    }

    /// Keeps what a training pass has measured.
    pub(crate) fn keep_statistics(&mut self, statistics: &Statistics) -> Result<()> {
        let kept = self.weights.iter().filter(|weight| weight.is_statistic());
        for (weight, value) in kept.zip(&statistics.0) {
            weight.var.set(value)?;
        }
        Ok(())
    }

    /// One step of the optimiser down `gradients`, one for each weight.
    pub(crate) fn descend(
        &mut self,
        config: &FitConfig,
        gradients: &[Option<Vec<f32>>],
        learning_rate: f64,
    ) -> Result<()> {
        let (rule, state) = (config.optimizer.as_optimizer(), &mut self.optimizer);
        let weights = &self.weights;
        state.prepare(rule, vars(weights));
        state.step(
            rule,
            vars(weights),
            gradients,
            learning_rate,
            config.weight_decay,
        )
    }

    fn backward_planned(
        &self,
        pass: &mut PlanPass<'_>,
        input: &Tensor,
        of_scores: &Tensor,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let weights: Vec<&Tensor> = self.vars().map(|var| var.as_tensor()).collect();
        f32_slices(&[input, of_scores], |slices| {
            pass.backward(slices[0], &weights, slices[1])
        })?
    }
}

/// How many rows of `logits` (batch, classes) are largest at their label.
fn correct(logits: &Tensor, labels: &Tensor) -> Result<usize> {
    let hits = logits
        .argmax(D::Minus1)?
        .eq(labels)?
        .to_dtype(DType::U32)?
        .sum_all()?;
    Ok(hits.to_scalar::<u32>()? as usize)
}

#[cfg(test)]
mod tests {
    use super::all_finite;

    #[test]
    fn numbers_are_told_from_the_rest() {
        assert!(all_finite(&[]) && all_finite(&[0.0, -0.0, 1.8e19, -1.8e19, 1e-45]));
        assert!((super::LARGEST * super::LARGEST).is_finite());
        for odd in [
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1.9e19,
        ] {
            assert!(!all_finite(&[1.0, odd, -2.0]), "{odd}");
        }
    }
}
