//! Train the Fashion-MNIST networks of a Keras report, in Rust, on Candle.
mod config;
mod dataset;
mod error;
mod evaluate;
mod files;
mod history;
mod metrics;
mod model;
mod nn;
mod optim;
mod preprocess;
mod seed;
mod train;

pub use candle_core;
pub use candle_nn;
pub use config::{EarlyStopping, FitConfig, Schedule, Verbose};
pub use dataset::{CLASS_NAMES, CLASSES, Dataset, PIXELS, SIDE};
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Predictions, evaluate, predict};
pub use history::{EpochRecord, History};
pub use metrics::ConfusionMatrix;
pub use model::{
    AnyLayer, Model, ModelSpec, Summary, SummaryRow, one_layer, three_layer, two_layer,
};
pub use nn::{
    Activation, Conv2d, Dense, Dropout, Flatten, Init, Layer, MaxPool2d, Pass, Step, Weight,
};
pub use preprocess::{Scaling, Split};
pub use train::{Callback, Ended, Run, StepRecord, fit, fit_with, resume};
