use fmnist_lib::candle_core::{DType, Tensor};
use fmnist_lib::{
    BatchNorm, Conv2d, Dense, Flatten, MaxPool2d, ModelSpec, one_layer, three_layer, two_layer,
};

use crate::own::DOUBLED;

#[test]
fn the_summaries_are_the_reports() {
    let counts = |spec: ModelSpec| -> Vec<usize> {
        spec.summary()
            .unwrap()
            .rows
            .iter()
            .map(|row| row.parameters)
            .collect()
    };
    assert_eq!(counts(one_layer()), [320, 0, 0, 0, 173_088, 330]);
    assert_eq!(counts(two_layer()), [320, 0, 0, 18_496, 0, 0, 495_680, 650]);
    assert_eq!(
        counts(three_layer()),
        [320, 0, 0, 18_496, 0, 73_856, 0, 0, 1_327_232, 0, 1_290]
    );
    for (spec, total) in [
        (one_layer(), 173_738),
        (two_layer(), 515_146),
        (three_layer(), 1_421_194),
    ] {
        assert_eq!(spec.summary().unwrap().parameters(), total);
        let values: usize = spec
            .build(1)
            .unwrap()
            .weights()
            .iter()
            .map(|(_, tensor)| tensor.elem_count())
            .sum();
        assert_eq!(values, total);
    }
    let shapes: Vec<Vec<usize>> = three_layer()
        .summary()
        .unwrap()
        .rows
        .into_iter()
        .map(|row| row.output_shape)
        .collect();
    assert_eq!(shapes[0], [26, 26, 32]);
    assert_eq!(shapes[1], [13, 13, 32]);
    assert_eq!(shapes[3], [11, 11, 64]);
    assert_eq!(shapes[5], [9, 9, 128]);
    assert_eq!(shapes[7], [10_368]);
}

#[test]
fn the_summary_prints_as_keras_does() {
    // What Keras 2 prints for the report's first model.
    let keras = "\
Model: \"1_Layer\"
_________________________________________________________________
Layer (type)                 Output Shape              Param #   
=================================================================
Conv2D-1 (Conv2D)            (None, 26, 26, 32)        320       
_________________________________________________________________
MaxPool (MaxPooling2D)       (None, 13, 13, 32)        0         
_________________________________________________________________
Dropout (Dropout)            (None, 13, 13, 32)        0         
_________________________________________________________________
flatten (Flatten)            (None, 5408)              0         
_________________________________________________________________
Dense (Dense)                (None, 32)                173088    
_________________________________________________________________
Output (Dense)               (None, 10)                330       
=================================================================
Total params: 173,738
Trainable params: 173,738
Non-trainable params: 0
_________________________________________________________________";
    assert_eq!(one_layer().summary().unwrap().to_string(), keras);
}

#[test]
fn the_columns_of_a_summary_never_run_together() {
    let spec = ModelSpec::new("names")
        .layer("Conv2D-1", Conv2d::new(32))
        .layer("BatchNorm-1.1", BatchNorm::new())
        .layer(
            "a name, longer than all that a table has ever had room for",
            MaxPool2d::new(2),
        )
        .layer("f", Flatten)
        .layer("größer", Dense::new(10));
    let summary = spec.summary().unwrap();
    let text = summary.to_string();
    let lines: Vec<&str> = text.lines().collect();
    let width = lines[1].chars().count();
    let column = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
    let (second, third) = (
        column(lines[2], "Output Shape").unwrap(),
        column(lines[2], "Param #").unwrap(),
    );
    let rows = lines[4..].iter().step_by(2).zip(&summary.rows);
    assert_eq!(rows.len(), 5);
    for (line, row) in rows {
        let layer = format!("{} ({})  ", row.name, row.kind);
        assert!(line.starts_with(&layer), "{line}");
        assert_eq!(column(line, "(None"), Some(second), "{line}");
        let parameters = column(line, &format!("  {} ", row.parameters));
        assert_eq!(parameters, Some(third - 2), "{line}");
        assert_eq!(line.chars().count(), width, "{line}");
    }
}

#[test]
fn weights_start_as_in_keras() {
    let moments = |values: &[f32]| {
        let count = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
        (mean, square)
    };
    let weights = three_layer().build(3).unwrap().weights();
    let of = |name: &str| -> Vec<f32> {
        let (_, tensor) = weights.iter().find(|(other, _)| other == name).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    };
    // Glorot uniform: within ±sqrt(6 / (576 + 1152)), variance limit²/3.
    let kernel = of("Conv2D-3.kernel");
    let limit = (6.0_f64 / 1728.0).sqrt();
    assert!(
        kernel
            .iter()
            .all(|&v| f64::from(v).abs() <= limit * 1.000_001)
    );
    let (mean, square) = moments(&kernel);
    assert!(mean.abs() < 1e-3 && (square / (limit * limit / 3.0) - 1.0).abs() < 0.02);
    // He normal, truncated: variance 2/9 after truncation at two deviations.
    let first = of("Conv2D-1.kernel");
    let largest = 2.0 * (2.0_f64 / 9.0).sqrt() / 0.879_625_66;
    assert!(
        first
            .iter()
            .all(|&v| f64::from(v).abs() <= largest * 1.000_001)
    );
    let many: Vec<f32> = (0..40)
        .flat_map(|seed| {
            three_layer().build(seed).unwrap().weights()[0]
                .1
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        })
        .collect();
    let (_, square) = moments(&many);
    assert!((square / (2.0 / 9.0) - 1.0).abs() < 0.05, "{square}");
    assert!(of("Dense.bias").iter().all(|&v| v == 0.0));
}

#[test]
fn a_seed_decides_the_weights_and_a_new_layer_leaves_the_others_alone() {
    let values = |spec: &ModelSpec, seed, name: &str| -> Vec<f32> {
        let weights = spec.build(seed).unwrap().weights();
        let (_, tensor) = weights.iter().find(|(other, _)| other == name).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    };
    let base = ModelSpec::new("m")
        .layer("conv", Conv2d::new(4))
        .layer("conv-2", Conv2d::new(4));
    let longer = base
        .clone()
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    assert_eq!(
        values(&base, 5, "conv.kernel"),
        values(&longer, 5, "conv.kernel")
    );
    assert_ne!(
        values(&base, 5, "conv.kernel"),
        values(&base, 6, "conv.kernel")
    );
    assert_ne!(
        values(&base, 5, "conv.kernel")[..9],
        values(&base, 5, "conv-2.kernel")[..9]
    );
}

#[test]
fn a_layer_of_ones_own() {
    let spec = ModelSpec::new("m")
        .layer("flatten", Flatten)
        .custom("twice", DOUBLED);
    assert!(
        spec.summary()
            .unwrap()
            .to_string()
            .contains("twice (Doubled)")
    );
    let model = spec.build(1).unwrap();
    let ones = Tensor::ones((2, 28, 28, 1), DType::F32, model.device()).unwrap();
    let sum = model
        .forward(&ones, None)
        .unwrap()
        .sum_all()
        .unwrap()
        .to_scalar::<f32>()
        .unwrap();
    assert_eq!(sum, 2.0 * 2.0 * 784.0);
}
