//! Train the Fashion-MNIST networks of a Keras report, in Rust, on Candle.

mod dataset;
mod display;
mod error;
mod metrics;
pub mod plot;
mod train;

pub use candle_core;
pub use candle_nn;
pub use dataset::{CLASS_NAMES, CLASSES, Dataset, PIXELS, SIDE};
pub use error::{Error, Result};
pub use metrics::ConfusionMatrix;
pub use train::{EpochRecord, History};
