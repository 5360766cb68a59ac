//! Train the Fashion-MNIST networks of a Keras report, in Rust, on Candle.

mod dataset;
mod error;
mod metrics;
mod train;

pub use candle_core;
pub use candle_nn;
pub use dataset::{CLASS_NAMES, CLASSES, Dataset, FashionMnist, PIXELS, SIDE};
#[doc(hidden)] // for the fuzz target and the tests
pub use dataset::{IdxContent, parse_idx};
pub use error::{Error, Result};
pub use metrics::ConfusionMatrix;
pub use train::{EpochRecord, History};
