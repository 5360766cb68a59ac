//! Train convolutional networks on Fashion-MNIST in Rust, from a notebook or the command line.
//!
//! The whole road, from bytes to accuracy, and the module that walks each part of it:
//!
//! ```text
//!   four IDX files          60,000 + 10,000 images of 28×28 bytes, 10 classes
//!        │  data            find or download, parse, check by SHA-256; other datasets, folders of pictures
//!        ▼
//!   Dataset (u8)
//!        │  data            random 80:20 split, shuffled and augmented batches, pixels / 255
//!        ▼
//!   Tensor (batch, 28, 28, 1)
//!        │  nn, model       layers, ModelSpec (layers and branches), Model (its weights)
//!        │  plan            the stages that compute it on the CPU, in kernels of our own
//!        │  formats         models from Keras and PyTorch, and to them and ONNX
//!        ▼
//!   scores (batch, 10)
//!        │  train, loss,    cross-entropy and others, early stopping, checkpoints;
//!        │  optim           Adam and others
//!        ▼
//!   History                 loss and accuracy of each epoch
//!        │  evaluate,       accuracy, confusion matrix, the report's table beside ours
//!        │  report
//!        │  explain,        what it looks at: saliency, Grad-CAM; which images are alike to it: PCA, t-SNE
//!        │  embedding
//!        ▼
//!   Figure                  plot: curves, images, confusion, feature maps…; inline, SVG, PNG
//! ```
//!
//! ```no_run
//! use fmnist_lib::*;
//!
//! let data = FashionMnist::load()?;
//! let (train, validation) = Split::new(0.8, 42).apply(&data.train)?;
//! let mut model = one_layer().build(42)?;
//! let run = fit(&mut model, &train, &validation, FitConfig::default())?;
//! println!("{}", evaluate(&model, &data.test)?); // loss: 0.25… - accuracy: 0.91…
//! plot::curves(model.spec().name(), &run.history).save("curves.png")?;
//! # Ok::<(), Error>(())
//! ```
//!
//! One seed decides the split, the initial weights, the order of the images and what dropout drops:
//! the same seed gives the same bits on the same build and machine, whatever the number of threads.
//!
//! A notebook keeps a variable for the next cell only where its type can be written down. A closure
//! has no such type: write a `fn` instead, or put the closure and what uses it between braces.
//! Every type of this crate can be written down, and so can a [`Result`] of them.
//!
//! Processes on several machines train one network together: [`_several_processes`].
//!
//! In a notebook, use Candle as [`candle_core`] and [`candle_nn`] from here. Of a second one, each cell would have its
//! own copy, whose tensors have the same ids: gradients would be mixed up without a word. The kernel refuses a `:dep` on it.

#![forbid(unsafe_code)]

mod config;
mod data;
mod embedding;
mod error;
mod evaluate;
mod explain;
mod formats;
mod history;
mod loss;
mod model;
mod nn;
mod notebook;
mod optim;
mod plan;
pub mod plot;
mod report;
mod support;
mod sweep;
mod train;

pub use candle_core;
pub use candle_nn;
pub use config::{EarlyStopping, FitConfig, Schedule, Verbose, quick};
pub use data::{
    Augmentation, CLASS_NAMES, CLASSES, Cifar10, Dataset, Emnist, FashionMnist, Kmnist, Mnist,
    PIXELS, SIDE, Scaling, Split, TrainTest,
};
pub use embedding::{Pca, Tsne};
pub use error::{Error, Result};
pub use evaluate::{
    ClassScores, ClassificationReport, ConfusionMatrix, Evaluation, MacroF1, Metric, Predictions,
    RocAuc, RocCurve, TopKAccuracy, evaluate, mean_loss, outputs, predict,
};
pub use explain::{HeatMaps, grad_cam, saliency};
pub use history::{Ended, EpochRecord, History};
pub use loss::{AnyLoss, BinaryCrossEntropy, Loss, MeanSquaredError, Targets};
pub use model::{
    Block, Model, ModelSpec, Profile, ProfileRow, Summary, SummaryRow, one_layer, three_layer,
    two_layer,
};
pub use nn::{
    Activation, AnyLayer, AvgPool2d, BatchNorm, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d,
    Dropout, Flatten, GlobalAvgPool2d, Init, Layer, LayerNorm, MaxPool2d, Pair, Pass, Reshape,
    Step, UpSampling2d, Weight, ZeroPadding2d, Zeros,
};
pub use notebook::Show;
pub use optim::{
    Adadelta, Adagrad, Adam, AnyOptimizer, Clip, Nadam, Optimizer, RmsProp, Sgd, Update,
};
pub use report::{Comparison, Outcome, REPORTED, Reported};
pub use sweep::{
    Conversion, HyperParameters, Origin, Search, SearchResults, SearchTrial, Sweep, SweepResults,
    SweepRun, Trial, convert_results, random_search,
};
#[cfg(feature = "mpi")]
pub use train::Mpi;
pub use train::{
    BatchResult, Callback, GradientNoise, LearningRateScheduler, Measures, Run, StepRecord,
    TensorBoard, finish, finish_with, fit, fit_with, gradient_noise, range_test, resume,
    train_on_batch,
};

#[doc = include_str!("train/processes/guide.md")]
pub mod _several_processes {}

#[doc(hidden)] // for the fuzz target and the tests
pub use data::{IdxContent, parse_idx};
