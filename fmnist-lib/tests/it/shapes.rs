//! Networks and inputs that cannot work are refused by name; those that work give one shape.

use fmnist_lib::candle_core::{DType, Device, Tensor};
use fmnist_lib::{
    AnyLayer, BatchNorm, Conv2d, Dense, Dropout, Error, FitConfig, Flatten, Init, Layer, MaxPool2d,
    Model, ModelSpec, Pass, Result, Scaling, Step, Weight, ZeroPadding2d, evaluate, fit, one_layer,
    three_layer,
};

use crate::own::SAME;

/// The message of what is refused as an argument.
fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Invalid(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn impossible_networks_name_the_layer() {
    let message = |spec: ModelSpec| refusal(spec.summary());
    let spec = ModelSpec::new("m")
        .layer("conv", Conv2d::new(4))
        .layer("out", Dense::new(10));
    let flat = message(spec);
    assert!(
        flat.contains("layer out") && flat.contains("put a Flatten layer before it"),
        "{flat}"
    );
    let spec = ModelSpec::new("m")
        .layer("flatten", Flatten)
        .layer("conv", Conv2d::new(4));
    assert!(message(spec).contains("layer conv"));
    let spec = ModelSpec::new("m")
        .layer("a", Conv2d::new(4))
        .layer("a", Conv2d::new(4));
    assert!(message(spec).contains("used twice"));
    let spec = ModelSpec::new("m").layer("big", Conv2d::new(4).kernel_size(29));
    assert!(message(spec).contains("does not fit"));
}

/// What Keras raises a ValueError for, and what would end the process for want of memory.
#[test]
fn layers_that_cannot_work_are_refused_by_name() {
    let spec = |layer: AnyLayer| ModelSpec::new("m").layer("odd", layer);
    let flat = |units: usize| {
        ModelSpec::new("m")
            .layer("flatten", Flatten)
            .layer("odd", Dense::new(units))
    };
    let too_large = "too large";
    for (spec, problem) in [
        (flat(0), "units of Dense must be at least 1, not 0"),
        (
            spec(Conv2d::new(0).into()),
            "filters of Conv2d must be at least 1",
        ),
        (
            spec(Conv2d::new(8).groups(0).into()),
            "groups of Conv2d must be at least 1",
        ),
        (
            spec(Conv2d::new(8).groups(2).into()),
            "2 groups of Conv2d must divide its 1 channels and its 8 filters",
        ),
        (
            spec(Conv2d::new(8).kernel_size(0).into()),
            "window of Conv2d must be at least 1",
        ),
        (
            spec(Conv2d::new(8).kernel_size(0).same().into()),
            "window of Conv2d must be at least 1",
        ),
        (
            spec(Conv2d::new(8).kernel_size(29).into()),
            "choose a smaller window",
        ),
        (
            spec(MaxPool2d::new(0).into()),
            "window of MaxPool2d must be at least 1",
        ),
        (spec(MaxPool2d::new(29).into()), "does not fit"),
        (
            spec(Dropout::new(1.0).into()),
            "a dropout rate is at least 0 and below 1",
        ),
        (
            spec(Dropout::new(f64::NAN).into()),
            "a dropout rate is at least 0 and below 1",
        ),
        (spec(BatchNorm::new().momentum(2.0).into()), "momentum"),
        (spec(ZeroPadding2d::new(usize::MAX).into()), too_large),
        (spec(ZeroPadding2d::new(100_000).into()), too_large),
        (spec(Conv2d::new(usize::MAX).into()), too_large),
        (
            spec(Conv2d::new(8).kernel_size(1 << 40).same().into()),
            too_large,
        ),
        (flat(usize::MAX), too_large),
        (flat(1 << 40), too_large),
        (
            ModelSpec::new("m")
                .layer("wide", ZeroPadding2d::new(500))
                .layer("odd", Flatten)
                .layer("out", Dense::new(10)),
            too_large,
        ),
    ] {
        for message in [refusal(spec.summary()), refusal(spec.build(1))] {
            assert!(message.starts_with("model m, layer odd: "), "{message}");
            assert!(message.contains(problem), "{message}");
        }
    }
    let message = refusal(ModelSpec::new("m").build(1));
    assert!(
        message.contains("model m: there are no layers"),
        "{message}"
    );
    // Nothing around the image is allowed, as in Keras.
    assert!(spec(ZeroPadding2d::new(0).into()).build(1).is_ok());
}

#[test]
fn a_layer_of_ones_own_is_held_to_its_promise() {
    /// Promises one shape and gives another.
    #[derive(Debug)]
    struct Liar(Vec<usize>);
    impl Layer for Liar {
        fn kind(&self) -> &str {
            "Liar"
        }
        fn output_shape(&self, _: &[usize]) -> Result<Vec<usize>> {
            Ok(self.0.clone())
        }
        fn weights(&self, _: &[usize]) -> Vec<Weight> {
            vec![Weight::new("scale", vec![64], Init::GlorotUniform)]
        }
        fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
            Ok(input.clone())
        }
    }
    let spec = |shape: &[usize]| {
        ModelSpec::new("m")
            .custom("mine", Liar(shape.to_vec()))
            .layer("conv", Conv2d::new(4))
    };
    let message = refusal(spec(&[28, 0, 1]).build(1));
    assert!(
        message.contains("layer mine: its output") && message.contains("at least 1"),
        "{message}"
    );
    let input = Tensor::ones((2, 28, 28, 1), DType::F32, &Device::Cpu).unwrap();
    for shape in [[28, 28, 3], [14, 28, 1]] {
        let message = refusal(spec(&shape).build(1).unwrap().forward(&input, None));
        assert!(
            message.contains("layer mine (Liar) gives [2, 28, 28, 1]")
                && message.contains(&format!("promises [2, {}, 28, {}]", shape[0], shape[2])),
            "{message}"
        );
    }
    let model = spec(&[28, 28, 1]).build(1).unwrap();
    assert_eq!(model.forward(&input, None).unwrap().dims(), [2, 26, 26, 4]);
    // One dimension is in- and output: within sqrt(6 / 128).
    let scale: Vec<f32> = model.weights()[0].1.to_vec1().unwrap();
    assert!(scale.iter().all(|value| value.abs() < 0.2166), "{scale:?}");
}

/// A layer called from one of the user's own has nobody before it who looks.
#[test]
fn convolutions_and_pools_refuse_what_they_cannot_work_on() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let pass = Pass::new("inner", None);
    let (conv, pool) = (Conv2d::new(8), MaxPool2d::new(2));
    let weights = [zeros(&[3, 3, 1, 8]), zeros(&[8])];
    assert!(conv.forward(&zeros(&[2, 9, 9, 1]), &weights, &pass).is_ok());
    for shape in [
        &[2, 9, 9, 3][..],
        &[2, 2, 2, 1],
        &[9, 9, 1],
        &[2, 9, 9],
        &[],
    ] {
        refusal(conv.forward(&zeros(shape), &weights, &pass));
    }
    for shape in [&[2, 1, 1, 3][..], &[9, 9, 1], &[]] {
        refusal(pool.forward(&zeros(shape), &[], &pass));
    }
    refusal(MaxPool2d::new(0).forward(&zeros(&[2, 9, 9, 1]), &[], &pass));
}

#[test]
fn forward_refuses_another_shape_or_type() {
    for model in [one_layer().build(1).unwrap(), by_layers(one_layer())] {
        for (shape, remedy) in [
            (&[1, 1, 28, 28][..], "permute((0, 2, 3, 1))"),
            (&[1, 28, 28, 3], ""),
            (&[28, 28, 1], "unsqueeze(0)"),
            (&[28, 28], ""),
            (&[1, 32, 32, 1], ""),
            (&[1, 784], ""),
            (&[0, 28, 28], ""),
            (&[], ""),
        ] {
            let input = Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
            for step in [None, Some(STEP)] {
                let message = refusal(model.forward(&input, step));
                assert!(
                    message.contains("of shape (batch, 28, 28, 1)")
                        && message.contains(&format!("{shape:?}"))
                        && message.contains(remedy),
                    "{message}"
                );
            }
        }
        for dtype in [DType::U8, DType::F64] {
            let input = Tensor::zeros((1, 28, 28, 1), dtype, &Device::Cpu).unwrap();
            let message = refusal(model.forward(&input, None));
            assert!(message.contains("to_dtype(DType::F32)"), "{message}");
        }
    }
}

const STEP: Step = Step {
    seed: 1,
    epoch: 1,
    step: 1,
};

/// With a layer that has no kernel, so that Candle computes that one.
fn by_layers(spec: ModelSpec) -> Model {
    spec.custom("same", SAME).build(1).unwrap()
}

/// Whichever way it runs, and for any number of images.
#[test]
fn a_network_has_one_output_shape() {
    let picture = ModelSpec::new("ends in a picture").layer("conv", Conv2d::new(8));
    let pooled = ModelSpec::new("ends in a pool")
        .layer("conv", Conv2d::new(4).relu())
        .layer("pool", MaxPool2d::new(2));
    let normalised = ModelSpec::new("normalised")
        .layer("conv", Conv2d::new(4).same())
        .layer("norm", BatchNorm::new().relu())
        .layer("padding", ZeroPadding2d::new(1))
        .layer("drop", Dropout::new(0.5))
        .layer("flatten", Flatten);
    let one_by_one = ModelSpec::new("ends in a picture of one pixel")
        .layer("conv", Conv2d::new(10).same())
        .layer("pool", MaxPool2d::new(28));
    for (spec, shape) in [
        (picture, &[26, 26, 8][..]),
        (one_by_one, &[1, 1, 10]),
        (pooled, &[13, 13, 4]),
        (normalised, &[30 * 30 * 4]),
        (ModelSpec::new("flat").layer("flatten", Flatten), &[784]),
        (one_layer(), &[10]),
        (three_layer(), &[10]),
    ] {
        let models = [spec.build(1).unwrap(), by_layers(spec)];
        for images in [0, 1, 3] {
            let input = Tensor::ones((images, 28, 28, 1), DType::F32, &Device::Cpu).unwrap();
            for model in &models {
                for step in [None, Some(STEP)] {
                    let output = model.forward(&input, step).unwrap();
                    assert_eq!(
                        output.dims(),
                        [&[images], shape].concat(),
                        "{model:?} {step:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_network_that_does_not_end_in_ten_scores_is_refused_where_scores_are_needed() {
    let eleven = ModelSpec::new("eleven")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(11));
    let data = crate::striped(20, 1);
    let mut model = eleven.build(1).unwrap();
    let config = FitConfig::default().epochs(1);
    for message in [
        refusal(evaluate(&model, &data)),
        refusal(fit(&mut model, &data, None, config)),
    ] {
        assert!(
            message
                .starts_with("model eleven, with the last layer out: it gives [11] for each image")
                && message.contains("Dense::new(10)"),
            "{message}"
        );
    }
}

#[test]
fn a_scaling_that_cannot_work_is_refused_before_anything_is_built_on_it() {
    let none = Scaling::standard(&crate::striped(10, 1).take(0));
    let standard = |mean, deviation| Scaling::Standard { mean, deviation };
    for scaling in [
        none,
        standard(0.0, 0.0),
        standard(0.0, -1.0),
        standard(f32::INFINITY, 1.0),
        standard(0.0, f32::NAN),
        standard(0.0, 1e-38),
    ] {
        let spec = one_layer().scaling(scaling);
        for message in [
            refusal(spec.summary()),
            refusal(spec.build(1)),
            refusal(scaling.apply(&[0; 784], &Device::Cpu)),
        ] {
            assert!(message.contains("pixels cannot be scaled"), "{message}");
        }
    }
}
