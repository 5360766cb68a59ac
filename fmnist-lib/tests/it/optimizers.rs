//! The optimisers against Keras's own, and what goes around them.

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    Adadelta, Adagrad, Adam, AnyOptimizer, Dense, Error, FitConfig, Flatten, Model, ModelSpec,
    Nadam, Optimizer, RmsProp, Sgd, Update, Verbose, fit, resume,
};

use crate::striped;

/// The weights that an optimiser makes of 1, -2 and 0.5 in four steps at 0.1, by these gradients.
fn four_steps(optimizer: impl Into<AnyOptimizer>) -> Vec<f32> {
    let gradients = [
        [0.5, -1.0, 0.0],
        [0.25, 2.0, 0.125],
        [-1.0, 0.5, 0.0],
        [0.75, 0.0, -3.0],
    ];
    let optimizer = optimizer.into();
    let rule = optimizer.as_optimizer();
    rule.check().unwrap();
    let mut weights = vec![1.0, -2.0, 0.5];
    let mut state = vec![vec![0.0; 3]; rule.state().len()];
    for (gradient, step) in gradients.iter().zip(1..) {
        rule.step(Update {
            step,
            learning_rate: 0.1,
            weights: &mut weights,
            gradient,
            state: &mut state,
        });
    }
    weights
}

/// What `keras.optimizers` 3.15.1 makes of the same, by `optimizer.apply([gradient], [variable])`.
#[test]
fn four_steps_are_those_of_keras() {
    let found: Vec<(&str, Vec<f32>, [f64; 3])> = vec![
        (
            "Sgd::new()",
            four_steps(Sgd::new()),
            [0.9500000, -2.1499999, 0.7875000],
        ),
        (
            "Sgd::new().momentum(0.9)",
            four_steps(Sgd::new().momentum(0.9)),
            [0.8753000, -2.2930999, 0.7661250],
        ),
        (
            "Sgd::new().momentum(0.9).nesterov()",
            four_steps(Sgd::new().momentum(0.9).nesterov()),
            [0.8377700, -2.4137900, 1.0270125],
        ),
        (
            "Adam::new()",
            four_steps(Adam::new()),
            [0.8097144, -2.0122230, 0.4241710],
        ),
        (
            "Adam::new().betas(0.8, 0.99)",
            four_steps(Adam::new().betas(0.8, 0.99)),
            [0.8201002, -2.0220141, 0.4302361],
        ),
        (
            "Nadam::new()",
            four_steps(Nadam::new()),
            [0.8701417, -2.0157816, 0.5021988],
        ),
        (
            "RmsProp::new()",
            four_steps(RmsProp::new()),
            [0.6360394, -2.0427315, 0.4997880],
        ),
        (
            "RmsProp::new().rho(0.99).momentum(0.5)",
            four_steps(RmsProp::new().rho(0.99).momentum(0.5)),
            [-0.8990871, -2.0210330, -0.2502905],
        ),
        (
            "Adagrad::new()",
            four_steps(Adagrad::new()),
            [0.9073327, -2.0148323, 0.5626031],
        ),
        (
            "Adadelta::new()",
            four_steps(Adadelta::new()),
            [0.9997976, -2.0000985, 0.5000559],
        ),
    ];
    for (name, found, expected) in found {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 2e-6,
                "{name}: {found}, not {expected}"
            );
        }
    }
}

fn spec() -> ModelSpec {
    ModelSpec::new("m")
        .layer("flatten", Flatten)
        .layer("hidden", Dense::new(8).relu())
        .layer("out", Dense::new(10))
}

fn quiet(epochs: usize) -> FitConfig {
    FitConfig::default()
        .epochs(epochs)
        .batch_size(16)
        .verbose(Verbose::Silent)
}

fn values(model: &Model) -> Vec<f32> {
    let flat = |(_, weight): (String, Tensor)| -> Vec<f32> {
        weight.flatten_all().unwrap().to_vec1().unwrap()
    };
    model.weights().into_iter().flat_map(flat).collect()
}

/// A run that goes on from its checkpoint ends with the same bits, whatever its optimiser keeps.
#[test]
fn every_optimizer_goes_on_from_a_checkpoint() {
    let data = striped(48, 2);
    let folder = tempfile::tempdir().unwrap();
    let rules: Vec<AnyOptimizer> = vec![
        Sgd::new().into(),
        Sgd::new().momentum(0.9).nesterov().into(),
        Adam::new().betas(0.8, 0.99).into(),
        Nadam::new().into(),
        RmsProp::new().momentum(0.5).into(),
        Adagrad::new().into(),
        Adadelta::new().into(),
    ];
    for rule in rules {
        let config = quiet(4)
            .optimizer(rule.clone(), 0.01)
            .l2(1e-3)
            .clip_norm(1.0);
        let mut whole = spec().build(1).unwrap();
        fit(&mut whole, &data, None, config.clone()).unwrap();
        let path = folder.path().join("run.safetensors");
        let mut half = spec().build(1).unwrap();
        let mut stop = StopAfter(2);
        fmnist_lib::fit_with(
            &mut half,
            &data,
            None,
            config.checkpoint(&path),
            &mut [&mut stop],
        )
        .unwrap_err();
        let (resumed, run) = resume(&path, &data, None).unwrap();
        assert_eq!(run.history.epochs.len(), 4);
        assert!(values(&resumed) == values(&whole), "{rule:?}");
        assert!(values(&whole).iter().all(|value| value.is_finite()));
    }
}

/// Ends a run by an error, behind the checkpoint of an epoch.
struct StopAfter(usize);

impl fmnist_lib::Callback for StopAfter {
    fn on_epoch_end(
        &mut self,
        _: &Model,
        record: &fmnist_lib::EpochRecord,
    ) -> fmnist_lib::Result<std::ops::ControlFlow<()>> {
        match record.epoch >= self.0 {
            true => Err(Error::Invalid("enough".into())),
            false => Ok(std::ops::ControlFlow::Continue(())),
        }
    }
}

#[test]
fn another_optimizer_begins_anew() {
    let data = striped(32, 2);
    let mut model = spec().build(1).unwrap();
    fit(&mut model, &data, None, quiet(1)).unwrap();
    fit(
        &mut model,
        &data,
        None,
        quiet(1).optimizer(Sgd::new().momentum(0.9), 0.01),
    )
    .unwrap();
    assert!(values(&model).iter().all(|value| value.is_finite()));
}

/// A step of plain SGD shows what the gradient was.
fn gradient(config: FitConfig) -> Vec<f32> {
    let data = striped(16, 2);
    let mut model = spec().build(3).unwrap();
    let before = values(&model);
    fit(
        &mut model,
        &data,
        None,
        config.epochs(1).optimizer(Sgd::new(), 1.0),
    )
    .unwrap();
    before
        .iter()
        .zip(values(&model))
        .map(|(before, after)| before - after)
        .collect()
}

#[test]
fn gradients_are_clipped_and_kernels_are_drawn_to_zero() {
    let plain = gradient(quiet(1));
    let norm = |values: &[f32]| {
        values
            .iter()
            .map(|&it| f64::from(it).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let short = gradient(quiet(1).clip_norm(0.5));
    assert!(
        norm(&plain) > 0.6 && (norm(&short) - 0.5).abs() < 1e-4,
        "{}",
        norm(&plain)
    );
    let part = 0.5 / norm(&plain);
    let apart = plain
        .iter()
        .zip(&short)
        .map(|(one, two)| (f64::from(*one) * part - f64::from(*two)).abs());
    assert!(apart.fold(0.0, f64::max) < 1e-5);

    let most = gradient(quiet(1).clip_value(0.01));
    let clipped = plain
        .iter()
        .zip(&most)
        .all(|(plain, most)| (plain.clamp(-0.01, 0.01) - most).abs() < 1e-6);
    assert!(clipped);

    // The derivative of l2 * w² is 2 * l2 * w, for kernels alone.
    let drawn = gradient(quiet(1).l2(0.1));
    let model = spec().build(3).unwrap();
    let mut at = 0;
    for (name, weight) in model.weights() {
        let weight: Vec<f32> = weight.flatten_all().unwrap().to_vec1().unwrap();
        for value in weight {
            let more = if name.ends_with("kernel") {
                0.2 * value
            } else {
                0.0
            };
            assert!((drawn[at] - plain[at] - more).abs() < 1e-5, "{name}");
            at += 1;
        }
    }
}

#[test]
fn an_optimizer_of_ones_own_moves_the_weights() {
    /// By the sign of the gradient alone.
    #[derive(Debug)]
    struct Signs;
    impl Optimizer for Signs {
        fn step(&self, update: Update<'_>) {
            for (weight, gradient) in update.weights.iter_mut().zip(update.gradient) {
                if *gradient != 0.0 {
                    *weight -= update.learning_rate as f32 * gradient.signum();
                }
            }
        }
    }
    let data = striped(64, 2);
    let mut model = spec().build(1).unwrap();
    let own = AnyOptimizer::Custom(std::sync::Arc::new(Signs));
    let run = fit(&mut model, &data, None, quiet(20).optimizer(own, 0.001)).unwrap();
    let losses: Vec<f32> = run.history.epochs.iter().map(|epoch| epoch.loss).collect();
    assert!(losses[19] < 0.9 * losses[0], "{losses:?}");
    // Its code is in no file, but the model, and a run that has ended stays as it is.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    model.save(&path).unwrap();
    let (resumed, run) = resume(&path, &data, None).unwrap();
    assert!(values(&resumed) == values(&model));
    assert_eq!(run.history, model.history());
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let (data, mut model) = (striped(8, 1), spec().build(1).unwrap());
    let configs = [
        quiet(1).optimizer(Sgd::new().momentum(1.0), 0.1),
        quiet(1).optimizer(Sgd::new().momentum(f64::NAN), 0.1),
        quiet(1).optimizer(Adam::new().betas(0.9, 1.0), 0.1),
        quiet(1).optimizer(Adam::new().epsilon(0.0), 0.1),
        quiet(1).optimizer(RmsProp::new().rho(-0.1), 0.1),
        quiet(1).optimizer(Adagrad::new().initial_accumulator_value(-1.0), 0.1),
        quiet(1).optimizer(Adadelta::new().rho(2.0), 0.1),
        quiet(1).l2(-1.0),
        quiet(1).l2(f64::INFINITY),
        quiet(1).clip_norm(0.0),
        quiet(1).clip_value(f64::NAN),
    ];
    for config in configs {
        let told = format!("{config:?}");
        assert!(
            matches!(fit(&mut model, &data, None, config), Err(Error::Invalid(_))),
            "{told}"
        );
    }
}
