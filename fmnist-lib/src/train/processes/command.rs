//! What the process that leads says to those that follow.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Command {
    /// A run begins; a [`Job`](super::job::Job) comes.
    Begin,
    /// A step of the optimiser.
    Step {
        epoch: usize,
        /// Counted from 1.
        step: usize,
        rate: f64,
    },
    /// Each measures the model on its part of the validation images.
    Measure,
    /// The run is over.
    End,
    /// The program is over.
    Leave,
}

impl Command {
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names and numbers can be written")
    }
}
