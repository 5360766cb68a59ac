//! Training (under construction).

mod history;

pub use history::{EpochRecord, History};
