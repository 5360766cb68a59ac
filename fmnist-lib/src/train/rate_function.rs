//! A learning rate by a function.

use super::Callback;

/// A learning rate by a function of your own, as `keras.callbacks.LearningRateScheduler`: it is given the epoch,
/// counted from 1, and the rate that the schedule says, and gives the rate of that epoch.
///
/// ```
/// # use fmnist_lib::*;
/// let mut tenth = LearningRateScheduler(|epoch, rate| if epoch > 10 { rate / 10.0 } else { rate });
/// assert_eq!(tenth.learning_rate(11, 1, 0.001), 0.0001);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LearningRateScheduler(pub fn(usize, f64) -> f64);

impl Callback for LearningRateScheduler {
    fn learning_rate(&mut self, epoch: usize, _step: usize, rate: f64) -> f64 {
        (self.0)(epoch, rate)
    }
}
