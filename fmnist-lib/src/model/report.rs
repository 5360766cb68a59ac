//! The three networks of the report.

use crate::data::CLASSES;
use crate::model::ModelSpec;
use crate::nn::{Conv2d, Dense, Dropout, Flatten, Init, MaxPool2d};

/// `1_Layer`: one convolution, 173,738 parameters.
pub fn one_layer() -> ModelSpec {
    ModelSpec::new("1_Layer")
        .layer("Conv2D-1", Conv2d::new(32).relu())
        .layer("MaxPool", MaxPool2d::new(2))
        .layer("Dropout", Dropout::new(0.2))
        .layer("flatten", Flatten)
        .layer("Dense", Dense::new(32).relu())
        .layer("Output", Dense::new(CLASSES))
}

/// `2_Layer`: two convolutions, 515,146 parameters.
pub fn two_layer() -> ModelSpec {
    ModelSpec::new("2_Layer")
        .layer("Conv2D-1", Conv2d::new(32).relu())
        .layer("MaxPool", MaxPool2d::new(2))
        .layer("Dropout-1", Dropout::new(0.2))
        .layer("Conv2D-2", Conv2d::new(64).relu())
        .layer("Dropout-2", Dropout::new(0.25))
        .layer("flatten", Flatten)
        .layer("Dense", Dense::new(64).relu())
        .layer("Output", Dense::new(CLASSES))
}

/// `3_layer`: three convolutions, 1,421,194 parameters; the first starts He normal.
pub fn three_layer() -> ModelSpec {
    ModelSpec::new("3_layer")
        .layer("Conv2D-1", Conv2d::new(32).relu().init(Init::HeNormal))
        .layer("MaxPool", MaxPool2d::new(2))
        .layer("Dropout-1", Dropout::new(0.25))
        .layer("Conv2D-2", Conv2d::new(64).relu())
        .layer("Dropout-2", Dropout::new(0.25))
        .layer("Conv2D-3", Conv2d::new(128).relu())
        .layer("Dropout-3", Dropout::new(0.4))
        .layer("flatten", Flatten)
        .layer("Dense", Dense::new(128).relu())
        .layer("Dropout-4", Dropout::new(0.4))
        .layer("Output", Dense::new(CLASSES))
}
