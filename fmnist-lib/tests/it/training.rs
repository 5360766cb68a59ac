use std::ops::ControlFlow;

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    Augmentation, BatchNorm, Callback, Conv2d, Dense, Dropout, EarlyStopping, Ended, EpochRecord,
    Error, FitConfig, Flatten, MaxPool2d, Model, ModelSpec, Predictions, Result, Scaling, Schedule,
    StepRecord, Verbose, ZeroPadding2d, evaluate, fit, fit_with, one_layer, predict, three_layer,
    two_layer,
};

use crate::striped;

fn quiet(epochs: usize) -> FitConfig {
    FitConfig::default().epochs(epochs).verbose(Verbose::Silent)
}

pub(crate) fn small() -> ModelSpec {
    ModelSpec::new("small")
        .layer("conv", Conv2d::new(8).relu())
        .layer("pool", MaxPool2d::new(2))
        .layer("dropout", Dropout::new(0.3))
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10))
}

pub(crate) fn bits(model: &Model) -> Vec<u32> {
    let flat = model
        .weights()
        .into_iter()
        .map(|(_, tensor)| tensor.flatten_all().unwrap());
    flat.flat_map(|tensor| tensor.to_vec1::<f32>().unwrap())
        .map(f32::to_bits)
        .collect()
}

#[test]
fn each_of_the_reports_networks_learns_32_images_by_heart() {
    let data = striped(32, 1);
    for spec in [one_layer(), fmnist_lib::two_layer(), three_layer()] {
        let model = spec.build(1).unwrap();
        fit(&model, &data, None, quiet(80).batch_size(32)).unwrap();
        let result = evaluate(&model, &data).unwrap();
        assert!(
            result.accuracy == 1.0 && result.loss < 0.05,
            "{}: {result}",
            spec.name()
        );
    }
}

#[test]
fn a_seed_gives_the_same_bits_on_1_and_2_threads() {
    let data = striped(700, 2);
    let train = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let model = three_layer().build(4).unwrap();
            let augmentation = Augmentation::new().flip().shift(2).erase(0.5);
            let config = quiet(1).augmentation(augmentation).label_smoothing(0.1);
            let run = fit(&model, &data, &striped(40, 9), config).unwrap();
            (
                bits(&model),
                run.history.epochs[0].val_loss.unwrap().to_bits(),
            )
        })
    };
    let one = train(1);
    assert!(one == train(2) && one == train(3));
}

#[test]
fn another_seed_gives_other_bits() {
    let data = striped(64, 2);
    let train = |seed| {
        let model = small().build(4).unwrap();
        fit(&model, &data, None, quiet(1).seed(seed)).unwrap();
        bits(&model)
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn the_recorded_loss_and_accuracy_are_those_of_the_data() {
    let (data, validation) = (striped(150, 3), striped(70, 4));
    let model = small().build(5).unwrap();
    let run = fit(&model, &data, &validation, quiet(2).batch_size(64)).unwrap();
    assert_eq!(run.history.epochs.len(), 2);
    assert_eq!(run.ended, Ended::Completed);
    let last = run.history.last().unwrap();
    // An independent road to the same figures: probabilities of the true class, by hand.
    let predictions = predict(&model, &validation).unwrap();
    let labels = validation.labels();
    let loss = labels.iter().zip(&predictions.probabilities);
    let loss: f32 = loss.map(|(&l, p)| -p[usize::from(l)].ln()).sum::<f32>() / 70.0;
    let right = labels
        .iter()
        .zip(&predictions.classes)
        .filter(|(l, c)| l == c)
        .count();
    assert!((last.val_loss.unwrap() - loss).abs() < 1e-4);
    assert!((last.val_accuracy.unwrap() - right as f32 / 70.0).abs() < 1e-6);
    assert!(
        predictions
            .probabilities
            .iter()
            .all(|p| (p.iter().sum::<f32>() - 1.0).abs() < 1e-5)
    );
}

#[derive(Default)]
struct Recorder {
    steps: Vec<StepRecord>,
    epochs: Vec<usize>,
    stop_after: usize,
}

impl Callback for Recorder {
    fn on_step_end(&mut self, record: &StepRecord) -> Result<()> {
        self.steps.push(*record);
        Ok(())
    }

    fn on_epoch_end(&mut self, model: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        assert_eq!(model.history().last(), Some(record));
        self.epochs.push(record.epoch);
        Ok(if record.epoch == self.stop_after {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    }
}

#[test]
fn the_last_short_batch_is_kept_and_epochs_count_on() {
    let data = striped(150, 3);
    let model = small().build(5).unwrap();
    let mut recorder = Recorder {
        stop_after: 2,
        ..Recorder::default()
    };
    let run = fit_with(
        &model,
        &data,
        None,
        quiet(5).batch_size(64),
        &mut [&mut recorder],
    )
    .unwrap();
    assert_eq!(run.ended, Ended::ByCallback);
    let steps: Vec<_> = recorder
        .steps
        .iter()
        .map(|r| (r.epoch, r.step, r.steps))
        .collect();
    assert_eq!(
        steps,
        [
            (1, 1, 3),
            (1, 2, 3),
            (1, 3, 3),
            (2, 1, 3),
            (2, 2, 3),
            (2, 3, 3)
        ]
    );
    let again = fit(&model, &data, None, quiet(1)).unwrap();
    assert_eq!(again.history.epochs[0].epoch, 3);
    assert_eq!(model.history().epochs.len(), 3);
}

#[test]
fn a_model_ends_with_the_average_of_its_weights() {
    /// Follows the first weights in f64.
    struct Average<'a> {
        model: &'a Model,
        values: Vec<f64>,
        step: usize,
    }
    impl Callback for Average<'_> {
        fn on_step_end(&mut self, _: &StepRecord) -> Result<()> {
            let now = first_weights(self.model);
            self.step += 1;
            if self.step == 1 {
                self.values = now;
                return Ok(());
            }
            let momentum = f64::min(0.8, (1 + self.step) as f64 / (10 + self.step) as f64);
            for (average, now) in self.values.iter_mut().zip(now) {
                *average = momentum * *average + (1.0 - momentum) * now;
            }
            Ok(())
        }
    }
    let (data, validation) = (striped(200, 6), striped(40, 7));
    let model = small().build(7).unwrap();
    let mut average = Average {
        model: &model,
        values: vec![],
        step: 0,
    };
    let config = quiet(8).batch_size(25).ema_momentum(0.8);
    let run = fit_with(&model, &data, &validation, config, &mut [&mut average]).unwrap();
    assert_eq!(average.step, 64);
    for (found, expected) in first_weights(&model).iter().zip(&average.values) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    // It is also what was validated.
    let last = run.history.last().unwrap();
    let measured = evaluate(&model, &validation).unwrap();
    assert_eq!(Some(measured.loss), last.val_loss);
    let refused = fit(&model, &data, None, quiet(1).ema_momentum(1.0));
    assert!(refused.unwrap_err().to_string().contains("average"));
}

fn first_weights(model: &Model) -> Vec<f64> {
    let weights: Vec<f32> = (model.weights()[0].1.flatten_all().unwrap())
        .to_vec1()
        .unwrap();
    weights.into_iter().map(f64::from).collect()
}

#[test]
fn early_stopping_goes_back_to_the_best_epoch() {
    // Validation labels that are wrong on purpose: the better the training, the worse the loss.
    let data = striped(200, 6);
    let wrong: Vec<u8> = data.labels().iter().map(|l| (l + 1) % 10).collect();
    let validation = fmnist_lib::Dataset::new(data.images().to_vec(), wrong).unwrap();
    let model = small().build(7).unwrap();
    let config = quiet(50)
        .batch_size(20)
        .early_stopping(EarlyStopping::after(3));
    let run = fit(&model, &data, &validation, config).unwrap();
    assert_eq!(run.ended, Ended::StoppedEarly);
    let best = run.history.best_epoch().unwrap();
    assert_eq!(run.history.last().unwrap().epoch, best.epoch + 3);
    assert_eq!(
        evaluate(&model, &validation).unwrap().loss,
        best.val_loss.unwrap()
    );
    let refused = fit(
        &model,
        &data,
        None,
        quiet(1).early_stopping(EarlyStopping::after(1)),
    );
    assert!(refused.unwrap_err().to_string().contains("validation"));
}

#[test]
fn schedules_follow_their_formulas() {
    let rates = |schedule| -> Vec<f64> {
        let model = small().build(7).unwrap();
        let config = quiet(4).learning_rate(0.1).schedule(schedule);
        let run = fit(&model, &striped(10, 1), None, config).unwrap();
        run.history
            .epochs
            .iter()
            .map(|record| record.learning_rate)
            .collect()
    };
    assert_eq!(rates(Schedule::Constant), [0.1; 4]);
    assert_eq!(
        rates(Schedule::Step {
            every: 2,
            factor: 0.5
        }),
        [0.1, 0.1, 0.05, 0.05]
    );
    let cosine = rates(Schedule::Cosine);
    let expected = [0.1, 0.085_355_339, 0.05, 0.014_644_661];
    assert!(
        cosine
            .iter()
            .zip(expected)
            .all(|(found, rate)| (found - rate).abs() < 1e-8)
    );
    // Up along half a cosine from 0.004, down from 0.1 to 0.0000004; one step is one epoch.
    let one_cycle = rates(Schedule::OneCycle { rise: 0.5 });
    let expected = [0.004, 0.052, 0.1, 0.050_000_2];
    assert!(
        one_cycle
            .iter()
            .zip(expected)
            .all(|(found, rate)| (found - rate).abs() < 1e-8),
        "{one_cycle:?}"
    );
}

/// The loss of a step that cannot change much, against the definition in f64.
#[test]
fn smoothed_labels_share_a_part_of_the_target() {
    let data = striped(50, 3);
    let model = small().build(5).unwrap();
    let config = quiet(1).label_smoothing(0.1).learning_rate(1e-12);
    let spec = ModelSpec::new("without dropout")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let plain = spec.build(5).unwrap();
    let probabilities = predict(&plain, &data).unwrap().probabilities;
    let run = fit(&plain, &data, None, config.clone()).unwrap();
    let losses = probabilities
        .iter()
        .zip(data.labels())
        .map(|(row, &label)| {
            let target = |class| {
                if class == usize::from(label) {
                    0.91
                } else {
                    0.01
                }
            };
            let terms = (0..10).map(|class| -target(class) * f64::from(row[class]).ln());
            terms.sum::<f64>()
        });
    let expected = losses.sum::<f64>() / 50.0;
    let found = f64::from(run.history.epochs[0].loss);
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    // The network with kernels of its own takes it as well, and learns.
    fit(&model, &data, None, config.learning_rate(0.01).epochs(60)).unwrap();
    assert!(evaluate(&model, &data).unwrap().accuracy > 0.9);
    let wrong = quiet(1).label_smoothing(1.0);
    assert!(matches!(
        fit(&model, &data, None, wrong),
        Err(Error::Invalid(_))
    ));
}

/// AdamW by its definition: Adam's step, and beside it each kernel less `rate * decay` of itself.
#[test]
fn weight_decay_shrinks_kernels_beside_adams_step() {
    let data = striped(50, 3);
    let ranks_and_values = |model: &Model| -> Vec<(usize, Vec<f32>)> {
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        let weights = model.weights().into_iter();
        weights
            .map(|(_, tensor)| (tensor.rank(), flat(&tensor)))
            .collect()
    };
    let start = ranks_and_values(&small().build(5).unwrap());
    let after_a_step = |decay| {
        let model = small().build(5).unwrap();
        let config = quiet(1).learning_rate(0.01).weight_decay(decay);
        fit(&model, &data, None, config).unwrap();
        ranks_and_values(&model)
    };
    let (plain, decayed) = (after_a_step(0.0), after_a_step(0.5));
    for ((start, plain), decayed) in start.iter().zip(&plain).zip(&decayed) {
        let part = if start.0 > 1 { 0.01 * 0.5 } else { 0.0 };
        for ((start, plain), decayed) in start.1.iter().zip(&plain.1).zip(&decayed.1) {
            let expected = plain - part * start;
            assert!(
                (decayed - expected).abs() < 1e-6,
                "{decayed}, not {expected}"
            );
        }
    }
    let wrong = quiet(1).weight_decay(-0.1);
    assert!(matches!(
        fit(&small().build(5).unwrap(), &data, None, wrong),
        Err(Error::Invalid(_))
    ));
}

#[test]
fn a_mean_of_predictions_is_measured_as_one() {
    let data = striped(40, 6);
    let model = small().build(1).unwrap();
    let one = predict(&model, &data).unwrap();
    let measured = one.evaluate(&data).unwrap();
    let expected = evaluate(&model, &data).unwrap();
    assert!((measured.loss - expected.loss).abs() < 1e-5);
    assert_eq!(measured.confusion, expected.confusion);
    let other = predict(&small().build(2).unwrap(), &data).unwrap();
    let mean = Predictions::mean(&[one.clone(), other.clone()]).unwrap();
    for image in 0..40 {
        for class in 0..10 {
            let expected =
                (one.probabilities[image][class] + other.probabilities[image][class]) / 2.0;
            assert!((mean.probabilities[image][class] - expected).abs() < 1e-7);
        }
    }
    assert_eq!(Predictions::mean(std::slice::from_ref(&one)).unwrap(), one);
    assert!(Predictions::mean(&[]).is_err());
}

#[test]
fn divergence_names_epoch_and_step_and_leaves_the_model_alive() {
    let data = striped(100, 8);
    let model = small().scaling(Scaling::Raw).build(9).unwrap();
    let error = fit(
        &model,
        &data,
        None,
        quiet(20).batch_size(20).learning_rate(1e30),
    )
    .unwrap_err();
    let Error::Diverged { epoch, step, .. } = error else {
        panic!("{error}")
    };
    assert!(epoch == 1 && step >= 2, "epoch {epoch}, step {step}");
    assert!(error.to_string().contains("Lower the learning rate"));
    assert_eq!(model.history().epochs.len(), epoch - 1);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let model = small().build(1).unwrap();
    let data = striped(10, 1);
    for config in [
        quiet(1).batch_size(0),
        quiet(1).learning_rate(0.0),
        quiet(1).learning_rate(f64::NAN),
        quiet(1).schedule(Schedule::Step {
            every: 0,
            factor: 0.5,
        }),
    ] {
        assert!(matches!(
            fit(&model, &data, None, config),
            Err(Error::Invalid(_))
        ));
    }
    assert!(fit(&model, &data.take(0), None, quiet(1)).is_err());
    let headless = ModelSpec::new("m")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(7));
    let error = evaluate(&headless.build(1).unwrap(), &data).unwrap_err();
    assert!(error.to_string().contains("10 scores"), "{error}");
    // Training says so too, and does not take the rows of a picture for scores.
    let pictures = ModelSpec::new("m").layer("conv", Conv2d::new(4));
    for spec in [headless, pictures, ModelSpec::new("empty")] {
        let error = fit(&spec.build(1).unwrap(), &data, None, quiet(1)).unwrap_err();
        assert!(error.to_string().contains("10 scores"), "{error}");
    }
}

#[test]
fn a_model_is_shown_in_a_few_words() {
    let model = three_layer().build(1).unwrap();
    fit(&model, &striped(8, 1), None, quiet(1)).unwrap();
    assert_eq!(
        format!("{model:?}"),
        "Model { name: \"3_layer\", parameters: 1421194, epochs: 1, .. }"
    );
}

/// The kernels that run a whole network at once, against the same network layer by layer: a layer
/// that does nothing keeps a network from being run at once.
#[test]
fn fused_and_layer_by_layer_training_agree() {
    #[derive(Debug)]
    struct Same;
    impl fmnist_lib::Layer for Same {
        fn kind(&self) -> &str {
            "Same"
        }
        fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
            Ok(input.to_vec())
        }
        fn forward(
            &self,
            input: &fmnist_lib::candle_core::Tensor,
            _: &[fmnist_lib::candle_core::Tensor],
            _: &fmnist_lib::Pass<'_>,
        ) -> Result<fmnist_lib::candle_core::Tensor> {
            Ok(input.clone())
        }
    }
    // The last batch has 11 images; the images are noise, so that no two pixels tie by design.
    let (data, validation) = (striped(75, 2), striped(40, 3));
    let normalised = ModelSpec::new("normalised")
        .layer("padding", ZeroPadding2d::new(2))
        .layer("conv-1", Conv2d::new(8).without_bias())
        .layer("norm-1", BatchNorm::new().momentum(0.5).relu())
        .layer("dropout", Dropout::new(0.2))
        .layer("pool-1", MaxPool2d::new(2))
        .layer("dropout-2", Dropout::new(0.3))
        .layer("padding-2", ZeroPadding2d::new(1))
        .layer("conv-2", Conv2d::new(20).without_bias())
        .layer("norm-2", BatchNorm::new().momentum(0.5).relu())
        .layer("conv-3", Conv2d::new(20).same().relu())
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    for spec in [one_layer(), two_layer(), three_layer(), normalised] {
        let losses = |spec: ModelSpec| {
            let model = spec.build(6).unwrap();
            let run = fit(&model, &data, &validation, quiet(3).batch_size(32)).unwrap();
            let epochs = run.history.epochs.into_iter();
            epochs
                .flat_map(|r| [r.loss, r.val_loss.unwrap()])
                .collect::<Vec<f32>>()
        };
        let fused = losses(spec.clone());
        let by_layers = losses(spec.clone().custom("same", Same));
        for (a, b) in fused.iter().zip(&by_layers) {
            assert!(
                (a - b).abs() < 2e-3 * b,
                "{}: {fused:?} {by_layers:?}",
                spec.name()
            );
        }
    }
}
