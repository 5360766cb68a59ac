//! What a training step costs, stage by stage.

use std::time::Duration;

use fmnist_lib::{
    BatchNorm, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d, Dropout, Flatten, MaxPool2d,
    ModelSpec, one_layer, three_layer, two_layer,
};

use crate::own::SAME;
use crate::striped;
use crate::training::bits;

/// By hand: places × window × channels in × channels out, and inputs × outputs.
#[test]
fn multiplications_are_those_of_the_definition() {
    let conv_1 = 26 * 26 * 9 * 32;
    let one = conv_1 + 13 * 13 * 32 * 32 + 32 * 10;
    let two = conv_1 + 11 * 11 * 9 * 32 * 64 + 11 * 11 * 64 * 64 + 64 * 10;
    let three =
        conv_1 + 11 * 11 * 9 * 32 * 64 + 9 * 9 * 9 * 64 * 128 + 9 * 9 * 128 * 128 + 128 * 10;
    for (spec, expected) in [
        (one_layer(), one),
        (two_layer(), two),
        (three_layer(), three),
    ] {
        assert_eq!(spec.summary().unwrap().multiplications(), expected);
    }
    let spec = ModelSpec::new("others")
        .layer("conv", Conv2d::new(6).kernel_size(5).strides(2)) // 12×12
        .layer("norm", BatchNorm::new())
        .layer("depthwise", DepthwiseConv2d::new(3)) // 10×10
        .layer("back", Conv2dTranspose::new(4).kernel_size(2).strides(2)) // 20×20
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let rows = spec.summary().unwrap().rows;
    let found: Vec<usize> = rows.iter().map(|row| row.multiplications).collect();
    let expected = [
        12 * 12 * 25 * 6,
        0,
        10 * 10 * 9 * 6,
        10 * 10 * 4 * 6 * 4,
        0,
        20 * 20 * 4 * 10,
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_profile_names_the_kernel_of_each_layer_and_changes_nothing() {
    let spec = ModelSpec::new("profiled")
        .layer("first", Conv2d::new(8).relu())
        .layer("pool", MaxPool2d::new(2))
        .layer("dropout", Dropout::new(0.2))
        .layer("conv", Conv2d::new(6).same())
        .layer("norm", BatchNorm::new().relu())
        .custom("own", SAME)
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let mut model = spec.build(1).unwrap();
    let (data, before) = (striped(20, 1), bits(&model));
    let profile = model.profile(&data).unwrap();
    let stages: Vec<(String, &str)> = (profile.rows.iter())
        .map(|row| (row.layers.join("+"), row.kernel))
        .collect();
    let expected = [
        ("first+pool+dropout", "convolution, ReLU and pool in one"),
        ("conv", "windows as a matrix product"),
        ("norm", "vector loops"),
        ("own", "Candle (a layer of your own)"),
        ("output", "matrix product"),
    ];
    assert_eq!(
        stages,
        expected.map(|(layers, kernel)| (layers.to_owned(), kernel))
    );
    assert_eq!(profile.rows[1].multiplications, 20 * 13 * 13 * 9 * 8 * 6);
    assert_eq!(profile.rows[1].bytes, 20 * 13 * 13 * 6 * 4);
    assert!(
        profile
            .rows
            .iter()
            .all(|row| row.forward > Duration::ZERO && row.backward > Duration::ZERO)
    );
    assert!(profile.to_string().contains("20 images"), "{profile}");
    assert_eq!(bits(&model), before);

    // What is frozen at the head costs no backward pass.
    model.freeze_all_but(["output"]).unwrap();
    let learns = |row: &fmnist_lib::ProfileRow| row.backward > Duration::ZERO;
    let frozen = model.profile(&data).unwrap();
    let learning: Vec<bool> = frozen.rows.iter().map(learns).collect();
    assert_eq!(learning, [false, false, false, false, true]);

    let refused = model.profile(&data.take(0)).unwrap_err().to_string();
    assert!(refused.contains("needs images"), "{refused}");
}
