use std::ops::ControlFlow;
use std::thread;

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    Augmentation, BatchNorm, Callback, Conv2d, Dataset, Dense, Dropout, EarlyStopping, Ended,
    EpochRecord, Error, FitConfig, Flatten, Init, Layer, LearningRateScheduler, MacroF1, MaxPool2d,
    Measures, Model, ModelSpec, Pass, Predictions, Result, RocAuc, Run, Scaling, Schedule, Sgd,
    StepRecord, TopKAccuracy, Verbose, Weight, ZeroPadding2d, evaluate, finish, fit, fit_with,
    gradient_noise, one_layer, predict, resume, three_layer, train_on_batch, two_layer,
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
        let mut model = spec.build(1).unwrap();
        fit(&mut model, &data, None, quiet(80).batch_size(32)).unwrap();
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
            let mut model = three_layer().build(4).unwrap();
            let augmentation = Augmentation::new().flip().shift(2).erase(0.5);
            let config = quiet(1).augmentation(augmentation).label_smoothing(0.1);
            let run = fit(&mut model, &data, &striped(40, 9), config).unwrap();
            (
                bits(&model),
                run.history.epochs[0].val_loss.unwrap().to_bits(),
            )
        })
    };
    let one = train(1);
    assert!(one == train(2) && one == train(3));
}

/// Shards that wait for each other, as batch normalisation measures all of them. Of the last batch, some have no image.
#[test]
fn shards_give_the_same_bits_on_any_number_of_threads() {
    let (data, validation) = (striped(103, 2), striped(300, 9));
    let spec = ModelSpec::new("normalised")
        .layer("conv", Conv2d::new(8))
        .layer("norm", BatchNorm::new().relu())
        .layer("dropout", Dropout::new(0.3))
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let train = |threads, shards| {
        let pool = rayon::ThreadPoolBuilder::new();
        let pool = pool.num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut model = spec.build(4).unwrap();
            let config = quiet(2).batch_size(50).shards(shards);
            fit(&mut model, &data, &validation, config).unwrap();
            bits(&model)
        })
    };
    let one = train(1, 6);
    assert!(one == train(2, 6) && one == train(3, 6));
    assert!(one != train(1, 1) && one != train(1, 5));
}

#[test]
fn batches_that_cannot_be_cut_into_shards_are_refused() {
    let data = striped(20, 2);
    let refused = |spec: ModelSpec, config| {
        let refused = fit(&mut spec.build(1).unwrap(), &data, None, config);
        refused.unwrap_err().to_string()
    };
    for shards in [0, 9] {
        assert_eq!(
            refused(small(), quiet(1).batch_size(8).shards(shards)),
            format!("a batch of 8 images cannot be cut into {shards} shards: 1 to 8 are possible")
        );
    }
    let measuring = ModelSpec::new("measuring")
        .custom("mine", Measuring)
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let told = refused(measuring.clone(), quiet(1).batch_size(8).shards(2));
    assert!(
        told.contains("its layer mine is your own, and keeps weights up to date"),
        "{told}"
    );
    fit(
        &mut measuring.build(1).unwrap(),
        &data,
        None,
        quiet(1).batch_size(8),
    )
    .unwrap();
}

/// Keeps a weight up to date by itself.
#[derive(Debug)]
struct Measuring;

impl Layer for Measuring {
    fn kind(&self) -> &str {
        "Measuring"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    fn weights(&self, _: &[usize]) -> Vec<Weight> {
        vec![Weight::new("mean", vec![1], Init::Zeros).not_trainable()]
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        Ok(input.clone())
    }
}

#[test]
fn another_seed_gives_other_bits() {
    let data = striped(64, 2);
    let train = |seed| {
        let mut model = small().build(4).unwrap();
        fit(&mut model, &data, None, quiet(1).seed(seed)).unwrap();
        bits(&model)
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn the_recorded_loss_and_accuracy_are_those_of_the_data() {
    let (data, validation) = (striped(150, 3), striped(70, 4));
    let mut model = small().build(5).unwrap();
    let run = fit(&mut model, &data, &validation, quiet(2).batch_size(64)).unwrap();
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
    fn on_step_end(&mut self, _: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
        self.steps.push(*record);
        Ok(ControlFlow::Continue(()))
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
    let mut model = small().build(5).unwrap();
    let mut recorder = Recorder {
        stop_after: 2,
        ..Recorder::default()
    };
    let run = fit_with(
        &mut model,
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
    let again = fit(&mut model, &data, None, quiet(1)).unwrap();
    assert_eq!(again.history.epochs[0].epoch, 3);
    assert_eq!(model.history().epochs.len(), 3);
}

#[test]
fn a_model_ends_with_the_average_of_its_weights() {
    /// Follows the first weights in f64.
    struct Average {
        values: Vec<f64>,
        step: usize,
    }
    impl Callback for Average {
        fn on_step_end(&mut self, model: &Model, _: &StepRecord) -> Result<ControlFlow<()>> {
            let now = first_weights(model);
            self.step += 1;
            if self.step == 1 {
                self.values = now;
                return Ok(ControlFlow::Continue(()));
            }
            let momentum = f64::min(0.8, (1 + self.step) as f64 / (10 + self.step) as f64);
            for (average, now) in self.values.iter_mut().zip(now) {
                *average = momentum * *average + (1.0 - momentum) * now;
            }
            Ok(ControlFlow::Continue(()))
        }
    }
    let (data, validation) = (striped(200, 6), striped(40, 7));
    let mut model = small().build(7).unwrap();
    let mut average = Average {
        values: vec![],
        step: 0,
    };
    let config = quiet(8).batch_size(25).ema_momentum(0.8);
    let run = fit_with(&mut model, &data, &validation, config, &mut [&mut average]).unwrap();
    assert_eq!(average.step, 64);
    for (found, expected) in first_weights(&model).iter().zip(&average.values) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    // It is also what was validated.
    let last = run.history.last().unwrap();
    let measured = evaluate(&model, &validation).unwrap();
    assert_eq!(Some(measured.loss), last.val_loss);
    let refused = fit(&mut model, &data, None, quiet(1).ema_momentum(1.0));
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
    let mut model = small().build(7).unwrap();
    let config = quiet(50)
        .batch_size(20)
        .early_stopping(EarlyStopping::after(3));
    let run = fit(&mut model, &data, &validation, config).unwrap();
    assert_eq!(run.ended, Ended::StoppedEarly);
    let best = run.history.best_epoch().unwrap();
    assert_eq!(run.history.last().unwrap().epoch, best.epoch + 3);
    assert_eq!(
        evaluate(&model, &validation).unwrap().loss,
        best.val_loss.unwrap()
    );
    let refused = fit(
        &mut model,
        &data,
        None,
        quiet(1).early_stopping(EarlyStopping::after(1)),
    );
    assert!(refused.unwrap_err().to_string().contains("validation"));
}

#[test]
fn schedules_follow_their_formulas() {
    let rates = |schedule| -> Vec<f64> {
        let mut model = small().build(7).unwrap();
        let config = quiet(4).learning_rate(0.1).schedule(schedule);
        let run = fit(&mut model, &striped(10, 1), None, config).unwrap();
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
    let close = |found: Vec<f64>, expected: [f64; 4]| {
        let mut apart = found
            .iter()
            .zip(expected)
            .map(|(found, rate)| (found - rate).abs());
        assert!(apart.all(|apart| apart < 1e-8), "{found:?}");
    };
    close(
        rates(Schedule::Cosine),
        [0.1, 0.085_355_339, 0.05, 0.014_644_661],
    );
    // Up along half a cosine from 0.004, down from 0.1 to 0.0000004; one step is one epoch.
    close(
        rates(Schedule::OneCycle { rise: 0.5 }),
        [0.004, 0.052, 0.1, 0.050_000_2],
    );
    let list = vec![(1, 0.5), (3, 0.1)];
    let listed = rates(Schedule::Piecewise(list.clone()));
    assert_eq!(listed, [0.1, 0.05, 0.05, 0.1 * 0.1]);
    // Two epochs of the four: nothing, a half; then the whole of the list begins.
    let warmed = rates(Schedule::Piecewise(list).warm_up(2.0));
    assert_eq!(warmed, [0.0, 0.05, 0.1, 0.05]);
    close(
        rates(Schedule::Cosine.warm_up(1.0)),
        [0.0, 0.1, 0.075, 0.025],
    );
}

/// At so low a rate nothing is learned, and each epoch makes it lower, also where the run was resumed.
#[test]
fn a_plateau_lowers_the_rate_of_a_run_and_of_its_rest() {
    let (data, folder) = (striped(40, 1), tempfile::tempdir().unwrap());
    let path = folder.path().join("run.safetensors");
    let schedule = Schedule::Plateau {
        factor: 0.5,
        patience: 1,
    };
    let config = quiet(6)
        .optimizer(Sgd::new(), 1e-30)
        .schedule(schedule.clone());
    let rates = |run: &Run| -> Vec<f64> {
        run.history
            .epochs
            .iter()
            .map(|it| it.learning_rate / 1e-30)
            .collect()
    };
    let mut model = small().build(1).unwrap();
    let whole = fit(&mut model, &data, &data, config.clone()).unwrap();
    assert_eq!(rates(&whole), [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625]);
    let mut model = small().build(1).unwrap();
    let mut stop = FailsAfter(3);
    let config = config.checkpoint(&path);
    fit_with(&mut model, &data, &data, config, &mut [&mut stop]).unwrap_err();
    let (_, run) = resume(&path, &data, &data).unwrap();
    assert_eq!(rates(&run), rates(&whole));

    let refused = fit(
        &mut model,
        &data,
        None,
        quiet(1).schedule(schedule.warm_up(1.0)),
    )
    .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("a plateau schedule needs validation images"),
        "{refused}"
    );
    for schedule in [
        Schedule::Plateau {
            factor: 0.0,
            patience: 1,
        },
        Schedule::Plateau {
            factor: 0.1,
            patience: 0,
        },
        Schedule::Piecewise(vec![(3, 0.1), (2, 0.01)]),
        Schedule::Piecewise(vec![(3, f64::NAN)]),
        Schedule::Constant.warm_up(-1.0),
        Schedule::OneCycle { rise: 2.0 }.warm_up(1.0),
    ] {
        let config = quiet(1).schedule(schedule.clone());
        assert!(
            fit(&mut model, &data, &data, config).is_err(),
            "{schedule:?}"
        );
    }
}

/// Ends a run with an error after so many epochs.
struct FailsAfter(usize);

impl Callback for FailsAfter {
    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        match record.epoch < self.0 {
            true => Ok(ControlFlow::Continue(())),
            false => Err(Error::Invalid("enough".into())),
        }
    }
}

/// The loss of a step that cannot change much, against the definition in f64.
#[test]
fn smoothed_labels_share_a_part_of_the_target() {
    let data = striped(50, 3);
    let mut model = small().build(5).unwrap();
    let config = quiet(1).label_smoothing(0.1).learning_rate(1e-12);
    let spec = ModelSpec::new("without dropout")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let mut plain = spec.build(5).unwrap();
    let probabilities = predict(&plain, &data).unwrap().probabilities;
    let run = fit(&mut plain, &data, None, config.clone()).unwrap();
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
    fit(
        &mut model,
        &data,
        None,
        config.learning_rate(0.01).epochs(60),
    )
    .unwrap();
    assert!(evaluate(&model, &data).unwrap().accuracy > 0.9);
    let wrong = quiet(1).label_smoothing(1.0);
    assert!(matches!(
        fit(&mut model, &data, None, wrong),
        Err(Error::Invalid(_))
    ));
}

#[test]
fn class_weights_say_what_an_image_counts() {
    let striped = striped(400, 2);
    let indices: Vec<usize> = (0..400)
        .filter(|at| striped.labels()[*at] != 0 || at % 40 == 0)
        .collect();
    let data = striped.select(&indices).unwrap();
    let counts = |class| {
        data.labels()
            .iter()
            .filter(|&&label| label == class)
            .count()
    };
    let weights = data.balanced_weights();
    for class in 0..10_u8 {
        let of_class = weights[usize::from(class)] * counts(class) as f64;
        assert!((of_class - 37.0).abs() < 1e-9, "{weights:?}");
    }
    let two = Dataset::new(vec![0; 3 * 784], vec![1, 1, 4]).unwrap();
    assert_eq!(
        two.balanced_weights(),
        [1.0, 0.75, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    );
    // A step with an image that counts three times is one with three such images.
    let spec = ModelSpec::new("softmax")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let step = |data: &Dataset, config: FitConfig, rate: f64| {
        let mut model = spec.build(1).unwrap();
        fit(&mut model, data, None, config.optimizer(Sgd::new(), rate)).unwrap();
        let kernel = &model.weights()[0].1;
        kernel.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let mut weight = vec![1.0; 10];
    (weight[0], weight[1]) = (3.0, 0.0);
    let times = |label: u8| weight[usize::from(label)] as usize;
    let repeated: Vec<usize> = (0..data.len())
        .flat_map(|at| vec![at; times(data.labels()[at])])
        .collect();
    let repeated = data.select(&repeated).unwrap();
    let rate = 0.01 * repeated.len() as f64 / data.len() as f64;
    let (weighted, repeated) = (
        step(&data, quiet(1).class_weight(weight), 0.01),
        step(&repeated, quiet(1), rate),
    );
    let plain = step(&data, quiet(1), 0.01);
    let apart = |other: &[f32]| {
        weighted
            .iter()
            .zip(other)
            .fold(0_f32, |most, (one, two)| most.max((one - two).abs()))
    };
    assert!(
        apart(&repeated) < 1e-6 && apart(&plain) > 1e-4,
        "{} {}",
        apart(&repeated),
        apart(&plain)
    );
    for wrong in [
        vec![1.0; 9],
        vec![-1.0; 10],
        vec![f64::NAN; 10],
        vec![1e300; 10],
    ] {
        let refused = fit(
            &mut spec.build(1).unwrap(),
            &data,
            None,
            quiet(1).class_weight(wrong),
        );
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
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
        let mut model = small().build(5).unwrap();
        let config = quiet(1).learning_rate(0.01).weight_decay(decay);
        fit(&mut model, &data, None, config).unwrap();
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
        fit(&mut small().build(5).unwrap(), &data, None, wrong),
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
    let mut model = small().scaling(Scaling::Raw).build(9).unwrap();
    let error = fit(
        &mut model,
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
    let mut model = small().build(1).unwrap();
    let data = striped(10, 1);
    for config in [
        quiet(1).batch_size(0),
        quiet(1).learning_rate(0.0),
        quiet(1).learning_rate(f64::NAN),
        quiet(1).learning_rate(1e300),
        quiet(1).learning_rate(1e-300),
        quiet(1).weight_decay(1e300),
        quiet(1).checkpoint("run").csv("run"),
        quiet(1).schedule(Schedule::Step {
            every: 0,
            factor: 0.5,
        }),
    ] {
        assert!(matches!(
            fit(&mut model, &data, None, config),
            Err(Error::Invalid(_))
        ));
    }
    assert!(fit(&mut model, &data.take(0), None, quiet(1)).is_err());
    let headless = ModelSpec::new("m")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(7));
    let error = evaluate(&headless.build(1).unwrap(), &data).unwrap_err();
    assert!(error.to_string().contains("10 scores"), "{error}");
    // Training says so too, and does not take the rows of a picture for scores.
    let pictures = ModelSpec::new("m").layer("conv", Conv2d::new(4));
    for spec in [headless, pictures, ModelSpec::new("empty")] {
        let model = spec.build(1);
        let error = model
            .and_then(|mut model| fit(&mut model, &data, None, quiet(1)))
            .unwrap_err();
        assert!(error.to_string().contains("10 scores"), "{error}");
    }
}

#[test]
fn a_model_is_shown_in_a_few_words() {
    let mut model = three_layer().build(1).unwrap();
    fit(&mut model, &striped(8, 1), None, quiet(1)).unwrap();
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
            let mut model = spec.build(6).unwrap();
            let run = fit(&mut model, &data, &validation, quiet(3).batch_size(32)).unwrap();
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

#[test]
fn a_callback_may_look_at_the_model() {
    struct Look<'a>(&'a Dataset, Vec<f32>);
    impl Callback for Look<'_> {
        fn on_step_end(&mut self, model: &Model, _: &StepRecord) -> Result<ControlFlow<()>> {
            gradient_noise(model, self.0, 256, 2, 1)?;
            self.1.push(evaluate(model, self.0)?.loss);
            Ok(ControlFlow::Continue(()))
        }
    }
    let normalised = ModelSpec::new("normalised")
        .layer("conv-1", Conv2d::new(8).relu())
        .layer("pool-1", MaxPool2d::new(2))
        .layer("norm-1", BatchNorm::new().momentum(0.5))
        .layer("dropout", Dropout::new(0.2))
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let (data, seen) = (striped(1024, 2), striped(512, 5));
    // `evaluate` has batches of 256: memory of the same and of another size.
    for batch_size in [256, 512] {
        let config = quiet(2).batch_size(batch_size);
        let mut alone = normalised.build(3).unwrap();
        fit(&mut alone, &data, None, config.clone()).unwrap();
        let mut seen_at = normalised.build(3).unwrap();
        let mut look = Look(&seen, Vec::new());
        fit_with(&mut seen_at, &data, None, config, &mut [&mut look]).unwrap();
        assert_eq!(look.1.len(), 2 * 1024 / batch_size);
        assert_eq!(look.1.last(), Some(&evaluate(&alone, &seen).unwrap().loss));
        assert_eq!(bits(&seen_at), bits(&alone));
    }
}

#[test]
fn threads_may_share_a_model_that_nobody_trains() {
    let (model, data) = (three_layer().build(3).unwrap(), striped(600, 5));
    let expected = predict(&model, &data).unwrap();
    thread::scope(|scope| {
        let others: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| predict(&model, &data).unwrap()))
            .collect();
        for other in others {
            assert_eq!(other.join().unwrap(), expected);
        }
    });
}

/// What the layers before it have measured by then is forgotten.
#[test]
fn a_step_that_fails_in_a_layer_changes_nothing() {
    #[derive(Debug)]
    struct Fails;
    impl fmnist_lib::Layer for Fails {
        fn kind(&self) -> &str {
            "Fails"
        }
        fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
            Ok(input.to_vec())
        }
        fn forward(&self, x: &Tensor, _: &[Tensor], pass: &fmnist_lib::Pass<'_>) -> Result<Tensor> {
            match pass.is_training() {
                true => Err(Error::Invalid("not while training".into())),
                false => Ok(x.clone()),
            }
        }
    }
    let mut model = ModelSpec::new("m")
        .layer("norm", BatchNorm::new().momentum(0.5))
        .custom("fails", Fails)
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10))
        .build(1)
        .unwrap();
    let (data, before) = (striped(20, 8), bits(&model));
    let error = fit(&mut model, &data, None, quiet(1)).unwrap_err();
    assert!(error.to_string().contains("not while training"), "{error}");
    evaluate(&model, &data).unwrap();
    assert!(bits(&model) == before);
}

/// Neither weights nor moving statistics.
#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    /// Its value is its input, and its gradient not a number.
    #[derive(Debug)]
    struct Root;
    impl fmnist_lib::Layer for Root {
        fn kind(&self) -> &str {
            "Root"
        }
        fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
            Ok(input.to_vec())
        }
        fn forward(
            &self,
            input: &Tensor,
            _: &[Tensor],
            _: &fmnist_lib::Pass<'_>,
        ) -> Result<Tensor> {
            Ok(((input - input)?.sqrt()? + input)?)
        }
    }
    struct LastStep(Vec<u32>);
    impl Callback for LastStep {
        fn on_step_end(&mut self, model: &Model, _: &StepRecord) -> Result<ControlFlow<()>> {
            self.0 = bits(model);
            Ok(ControlFlow::Continue(()))
        }
    }
    let normalised = ModelSpec::new("normalised")
        .layer("conv", Conv2d::new(4))
        .layer("norm", BatchNorm::new().momentum(0.5))
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let by_layers = normalised.clone().custom("root", Root);
    let data = striped(100, 8);
    for (spec, rate, steps, told) in [
        (normalised, 1e30, 1.., "the loss is"),
        (by_layers, 0.001, 0.., "its gradients are not finite"),
    ] {
        let mut model = spec.build(9).unwrap();
        let mut last = LastStep(bits(&model));
        let config = quiet(20).batch_size(20).learning_rate(rate);
        let error = fit_with(&mut model, &data, None, config, &mut [&mut last]).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        let Error::Diverged { step, .. } = error else {
            panic!("{error}")
        };
        assert!(steps.contains(&(step - 1)), "{step}");
        assert!(bits(&model) == last.0, "{told}");
        assert!(
            bits(&model)
                .iter()
                .all(|&bits| f32::from_bits(bits).is_finite())
        );
    }
}

#[test]
fn epochs_without_end_are_trained_until_somebody_stops_them() {
    let data = striped(20, 1);
    let mut model = small().build(1).unwrap();
    fit(&mut model, &data, None, quiet(1)).unwrap();
    let mut stop = Recorder {
        stop_after: 3,
        ..Recorder::default()
    };
    let schedule = Schedule::OneCycle { rise: 0.3 };
    let config = quiet(usize::MAX).schedule(schedule).verbose(Verbose::Lines);
    let run = fit_with(&mut model, &data, None, config, &mut [&mut stop]).unwrap();
    assert_eq!(
        (run.ended, run.history.epochs.len()),
        (Ended::ByCallback, 2)
    );
}

#[test]
fn a_range_test_needs_images() {
    let nothing = striped(1, 1).take(0);
    let refused = fmnist_lib::range_test(&small(), &nothing, 1e-4..=1.0, &quiet(1));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("no training images")
    );
}

/// Halves the rate of every second step, and ends the run in the middle of an epoch.
struct Hands {
    rates: Vec<f64>,
    last: (usize, usize),
}

impl Callback for Hands {
    fn learning_rate(&mut self, _: usize, step: usize, rate: f64) -> f64 {
        self.rates.push(if step.is_multiple_of(2) {
            rate / 2.0
        } else {
            rate
        });
        self.rates[self.rates.len() - 1]
    }

    fn on_step_end(&mut self, _: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
        Ok(match (record.epoch, record.step) == self.last {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}

#[test]
fn metrics_are_measured_after_each_epoch_and_rates_follow_a_function() {
    let data = striped(100, 1);
    let mut measures = Measures::of(&data)
        .metric(TopKAccuracy(1))
        .metric(MacroF1)
        .metric(RocAuc);
    let mut halves = LearningRateScheduler(|epoch, rate| rate / epoch as f64);
    let mut model = small().build(1).unwrap();
    let callbacks: &mut [&mut dyn Callback] = &mut [&mut measures, &mut halves];
    let run = fit_with(&mut model, &data, &data, quiet(3), callbacks).unwrap();
    let epochs = &run.history.epochs;
    for (record, (epoch, values)) in epochs.iter().zip(measures.epochs()) {
        assert_eq!(record.epoch, *epoch);
        let accuracy = f64::from(record.val_accuracy.unwrap());
        assert!((values[0] - accuracy).abs() < 1e-6, "{values:?} {record:?}");
        assert_eq!(record.learning_rate, 0.001 / *epoch as f64);
    }
    // The last are those of the model as it is now.
    let predictions = predict(&model, &data).unwrap();
    let report = predictions.evaluate(&data).unwrap();
    let f1 = report.confusion.classification_report().macro_average.f1;
    let areas = (0..10).map(|class| predictions.roc_curve(&data, class).unwrap().auc);
    let last = &measures.epochs()[2].1;
    assert_eq!(last[1], f1);
    assert!((last[2] - areas.sum::<f64>() / 10.0).abs() < 1e-12);
    assert_eq!(measures.points("f1")[2], (3.0, f1));
    assert!(measures.points("recall").is_empty());
    let table = measures.to_string();
    assert!(table.starts_with("epoch  top_1_accuracy"), "{table}");
    assert_eq!(table.lines().count(), 4);
}

#[test]
fn callbacks_change_the_rate_and_stop_within_an_epoch() {
    let data = striped(40, 1);
    let config = || quiet(3).batch_size(10).optimizer(Sgd::new(), 0.1);
    let mut model = small().build(1).unwrap();
    let mut hands = Hands {
        rates: Vec::new(),
        last: (2, 3),
    };
    let run = fit_with(&mut model, &data, &data, config(), &mut [&mut hands]).unwrap();
    assert_eq!(
        (run.ended, run.history.epochs.len()),
        (Ended::ByCallback, 1)
    );
    assert_eq!(run.history.epochs[0].learning_rate, 0.05);
    assert_eq!(hands.rates, [0.1, 0.05, 0.1, 0.05, 0.1, 0.05, 0.1]);
    let before = bits(&model);
    let mut whole = small().build(1).unwrap();
    let mut at_last_step = Hands {
        rates: Vec::new(),
        last: (2, 4),
    };
    let run = fit_with(&mut whole, &data, &data, config(), &mut [&mut at_last_step]).unwrap();
    assert_eq!(
        (run.ended, run.history.epochs.len()),
        (Ended::ByCallback, 2)
    );
    let rest = finish(&mut model, &data, &data).unwrap();
    assert_eq!((rest.ended, bits(&model)), (Ended::ByCallback, before));

    let one_step = |factor: f64| {
        let mut model = small().build(1).unwrap();
        let mut constant = Constant(factor);
        let config = quiet(1).batch_size(40).optimizer(Sgd::new(), 0.1);
        fit_with(&mut model, &data, None, config, &mut [&mut constant]).unwrap();
        bits(&model)
    };
    let mut halved = small().build(1).unwrap();
    let config = quiet(1).batch_size(40).optimizer(Sgd::new(), 0.05);
    fit(&mut halved, &data, None, config).unwrap();
    assert_eq!(one_step(0.5), bits(&halved));
    assert_eq!(one_step(0.0), bits(&small().build(1).unwrap()));

    let mut model = small().build(1).unwrap();
    let config = quiet(1);
    let told = fit_with(
        &mut model,
        &data,
        None,
        config,
        &mut [&mut Constant(f64::NAN)],
    );
    assert!(
        told.unwrap_err()
            .to_string()
            .contains("a learning rate of NaN")
    );
}

struct Constant(f64);

impl Callback for Constant {
    fn learning_rate(&mut self, _: usize, _: usize, rate: f64) -> f64 {
        rate * self.0
    }
}

#[test]
fn a_training_loop_of_ones_own_makes_the_steps_of_fit() {
    let data = striped(45, 1);
    let config = quiet(1).batch_size(10).seed(7).learning_rate(0.01);
    let (mut ours, mut own) = (small().build(1).unwrap(), small().build(1).unwrap());
    let run = fit(&mut ours, &data, None, config.clone()).unwrap();
    let (mut loss, mut right) = (0.0, 0.0);
    for batch in data.batches(10, 7, 1) {
        let result = train_on_batch(&mut own, &batch, &config).unwrap();
        loss += f64::from(result.loss) * batch.len() as f64;
        right += f64::from(result.accuracy.unwrap()) * batch.len() as f64;
    }
    assert_eq!(bits(&own), bits(&ours));
    let record = &run.history.epochs[0];
    assert!((loss / 45.0 - f64::from(record.loss)).abs() < 1e-6);
    assert!((right / 45.0 - f64::from(record.accuracy.unwrap())).abs() < 1e-6);
    assert_eq!(data.batches(0, 7, 1).count(), 0);
    assert_eq!(data.take(0).batches(10, 7, 1).count(), 0);
    let seen: usize = data
        .batches(usize::MAX, 7, 2)
        .map(|batch| batch.len())
        .sum();
    assert_eq!(seen, 45);
    assert!(train_on_batch(&mut own, &data.take(0), &config).is_err());
    let averaged = train_on_batch(&mut own, &data, &config.ema_momentum(0.9));
    assert!(
        averaged
            .unwrap_err()
            .to_string()
            .contains("leave out ema_momentum")
    );
}
