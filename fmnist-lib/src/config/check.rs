//! Settings that cannot work.

use super::FitConfig;
use crate::error::{Error, Result};
use crate::loss::AnyLoss;
use crate::optim::Clip;

impl FitConfig {
    /// Refuses what cannot work, whatever the network and the data.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |problem: String| Err(Error::Invalid(problem));
        if self.batch_size == 0 {
            return refuse("the batch size must be at least 1".into());
        }
        if !(1..=self.batch_size).contains(&self.shards) {
            return refuse(format!(
                "a batch of {} images cannot be cut into {} shards: 1 to {} are possible",
                self.batch_size, self.shards, self.batch_size
            ));
        }
        // Weights are f32, and so is what they are moved by.
        let rate = self.learning_rate as f32;
        if !(rate.is_finite() && rate > 0.0) {
            return refuse(format!(
                "the learning rate must be a positive number that fits into an f32, not {}",
                self.learning_rate
            ));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return refuse(format!(
                "label smoothing must be at least 0 and less than 1 (0.1 is usual), not {}",
                self.label_smoothing
            ));
        }
        let of_cross_entropy = self.label_smoothing > 0.0 || !self.class_weight.is_empty();
        if of_cross_entropy && self.loss != AnyLoss::CrossEntropy {
            return refuse(format!(
                "label smoothing and class weights belong to cross-entropy, but the loss is {:?}",
                self.loss
            ));
        }
        if !((self.weight_decay as f32).is_finite() && self.weight_decay >= 0.0) {
            return refuse(format!(
                "weight decay must be 0 or more (0.004 to 0.1 is usual), not {}",
                self.weight_decay
            ));
        }
        if !((self.l2 as f32).is_finite() && self.l2 >= 0.0) {
            return refuse(format!(
                "the factor of L2 must be 0 or more (0.0001 is usual), not {}",
                self.l2
            ));
        }
        if let Some(Clip::Norm(most) | Clip::Value(most)) = self.clip
            && (most.is_nan() || most as f32 <= 0.0)
        {
            return refuse(format!(
                "gradients are clipped to a positive size (1 is usual), not to {most}"
            ));
        }
        self.optimizer.as_optimizer().check()?;
        if let Some(momentum) = self.ema_momentum
            && !(0.0..1.0).contains(&momentum)
        {
            return refuse(format!(
                "the momentum of the weights' average must be at least 0 and less than 1 (0.99 is \
                 usual), not {momentum}"
            ));
        }
        if let (Some(checkpoint), Some(csv)) = (&self.checkpoint, &self.csv)
            && checkpoint == csv
        {
            return refuse(format!(
                "{}: the checkpoint and the CSV file need a path each",
                checkpoint.display()
            ));
        }
        self.schedule.check()
    }
}
