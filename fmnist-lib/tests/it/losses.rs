//! Losses besides cross-entropy, and networks that give something else than scores.

use std::ops::ControlFlow;
use std::sync::Arc;

use fmnist_lib::candle_core::{Device, Tensor};
use fmnist_lib::{
    Activation, Adam, AnyLoss, BinaryCrossEntropy, Conv2d, Dense, FitConfig, Flatten, Loss,
    MaxPool2d, MeanSquaredError, Model, ModelSpec, Reshape, Result, Scaling, Sweep, Targets,
    TrainTest, Trial, UpSampling2d, Verbose, evaluate, fit, mean_loss, outputs, plot, predict,
    resume,
};

use crate::striped;
use crate::training::bits;

fn quiet(epochs: usize) -> FitConfig {
    let config = FitConfig::default().epochs(epochs).batch_size(8);
    config.optimizer(Adam::new(), 0.01).verbose(Verbose::Silent)
}

fn autoencoder() -> ModelSpec {
    ModelSpec::new("autoencoder")
        .layer("encode", Conv2d::new(4).same().relu())
        .layer("pool", MaxPool2d::new(2))
        .layer("up", UpSampling2d::new(2))
        .layer(
            "draw",
            Conv2d::new(1).same().activation(Activation::Sigmoid),
        )
}

/// The mean squared difference of all pixels, in f64.
fn squared(ours: &Tensor, theirs: &Tensor) -> f64 {
    let values = |it: &Tensor| -> Vec<f32> { it.flatten_all().unwrap().to_vec1().unwrap() };
    let (ours, theirs) = (values(ours), values(theirs));
    let squares = ours.iter().zip(&theirs);
    squares
        .map(|(one, two)| f64::from(one - two).powi(2))
        .sum::<f64>()
        / ours.len() as f64
}

#[test]
fn an_autoencoder_learns_to_draw_what_it_sees() {
    let data = striped(40, 3);
    let seen = data.to_tensor(Scaling::Unit, &Device::Cpu).unwrap();
    let mean = seen.mean_keepdim(0).unwrap().broadcast_as(seen.dims());
    let of_mean = squared(&seen, &mean.unwrap());
    for loss in [
        AnyLoss::from(MeanSquaredError::new()),
        BinaryCrossEntropy::new().into(),
    ] {
        let mut model = autoencoder().build(1).unwrap();
        let run = fit(&mut model, &data, &data, quiet(60).loss(loss.clone())).unwrap();
        let drawn = outputs(&model, &data).unwrap();
        assert_eq!(drawn.dims(), [40, 28, 28, 1]);
        let error = squared(&seen, &drawn);
        assert!(error < of_mean / 4.0, "{loss:?}: {error} for {of_mean}");

        let last = run.history.last().unwrap();
        assert_eq!((last.accuracy, last.val_accuracy), (None, None));
        let measured = mean_loss(&model, &data, loss.clone()).unwrap();
        assert_eq!(Some(measured), last.val_loss);
        let of_squares = f64::from(mean_loss(&model, &data, MeanSquaredError::new()).unwrap());
        assert!(
            (of_squares - error).abs() < 1e-6,
            "{of_squares} for {error}"
        );
        let text = plot::curves("draws", &run.history).to_string();
        assert!(
            text.contains("loss") && !text.contains("accuracy") && !text.contains("entropy"),
            "{text}"
        );
    }
}

#[test]
fn outputs_become_images_again() {
    let data = striped(3, 3);
    for scaling in [Scaling::Unit, Scaling::Raw, Scaling::standard(&data)] {
        let scaled = data.to_tensor(scaling, &Device::Cpu).unwrap();
        assert_eq!(data.redrawn(&scaled, scaling).unwrap(), data, "{scaling:?}");
        let too_bright = (scaled + 1000.0).unwrap();
        let white = data.redrawn(&too_bright, scaling).unwrap();
        assert!(white.images().iter().all(|&pixel| pixel == 255));
    }
    let refused = |images: &Tensor| {
        let result = data.redrawn(images, Scaling::Unit);
        result.unwrap_err().to_string()
    };
    let zeros = |shape: &[usize]| {
        Tensor::zeros(shape, fmnist_lib::candle_core::DType::F32, &Device::Cpu).unwrap()
    };
    assert_eq!(
        refused(&zeros(&[2, 28, 28, 1])),
        "3 images cannot be drawn as 2"
    );
    assert!(refused(&zeros(&[3, 10])).contains("not [3, 10]"));
    assert!(refused(&zeros(&[3, 0, 28, 1])).contains("at least one pixel"));
}

/// The squared error as a user would write it.
#[derive(Debug)]
struct Own;

impl Loss for Own {
    fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
        Ok((outputs - targets.like(outputs)?)?.sqr()?.mean_all()?)
    }
}

#[test]
fn a_loss_of_ones_own_trains_like_one_of_the_crate() {
    let data = striped(40, 3);
    let spec = ModelSpec::new("linear")
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10));
    let trained = |loss: AnyLoss| {
        let mut model = spec.build(1).unwrap();
        let run = fit(&mut model, &data, &data, quiet(30).loss(loss)).unwrap();
        (bits(&model), run.history.last().unwrap().accuracy)
    };
    let (ours, accuracy) = trained(MeanSquaredError::new().into());
    assert_eq!(
        accuracy,
        Some(1.0),
        "least squares learn 40 images by heart"
    );
    assert_eq!(trained(AnyLoss::Custom(Arc::new(Own))).0, ours);
}

#[test]
fn the_loss_goes_on_with_the_run() {
    let data = striped(16, 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let config = |epochs| quiet(epochs).loss(MeanSquaredError::new());
    let mut whole = autoencoder().build(1).unwrap();
    fit(&mut whole, &data, None, config(2)).unwrap();

    let mut half = autoencoder().build(1).unwrap();
    let stop = |_: usize| config(2).checkpoint(&path);
    let mut stopper = Stopper;
    let stopped = fmnist_lib::fit_with(&mut half, &data, None, stop(2), &mut [&mut stopper]);
    assert!(stopped.is_err());
    half.save(&path).unwrap();
    let (resumed, _): (Model, _) = resume(&path, &data, None).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

struct Stopper;

impl fmnist_lib::Callback for Stopper {
    fn on_step_end(
        &mut self,
        _: &Model,
        record: &fmnist_lib::StepRecord,
    ) -> Result<ControlFlow<()>> {
        match (record.epoch, record.step) {
            (2, 1) => Err(fmnist_lib::Error::Invalid("enough".into())),
            _ => Ok(ControlFlow::Continue(())),
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused_before_the_first_step() {
    let data = striped(16, 3);
    let refused = |spec: ModelSpec, config: FitConfig| {
        let mut model = spec.build(1).unwrap();
        fit(&mut model, &data, None, config)
            .unwrap_err()
            .to_string()
    };
    let told = refused(autoencoder(), quiet(1));
    assert!(
        told.starts_with("model autoencoder, with the last layer draw: it gives [28, 28, 1]")
            && told.contains("FitConfig::loss(MeanSquaredError::new())"),
        "{told}"
    );
    let smaller = ModelSpec::new("small")
        .layer("flatten", Flatten)
        .layer("dense", Dense::new(49))
        .layer("shape", Reshape::new([7, 7, 1]));
    let told = refused(smaller, quiet(1).loss(MeanSquaredError::new()));
    assert!(
        told.contains("it gives [7, 7, 1]")
            && told.contains("[28, 28, 1], or with its label, [10]"),
        "{told}"
    );
    let standard = autoencoder().scaling(Scaling::standard(&data));
    let told = refused(standard, quiet(1).loss(BinaryCrossEntropy::new()));
    assert!(told.contains("from 0 to 1, but the images"), "{told}");
    let smoothed = quiet(1).loss(MeanSquaredError::new()).label_smoothing(0.1);
    let told = refused(autoencoder(), smoothed);
    assert!(told.contains("belong to cross-entropy"), "{told}");

    let model = autoencoder().build(1).unwrap();
    assert!(evaluate(&model, &data).is_err() && predict(&model, &data).is_err());

    let folder = tempfile::tempdir().unwrap();
    let both = TrainTest {
        train: data.clone(),
        test: data.clone(),
    };
    let trial = Trial::of(autoencoder(), quiet(1).loss(MeanSquaredError::new()));
    let told = Sweep::new(folder.path()).trial(trial).run(&both);
    let told = told.unwrap_err().to_string();
    assert!(
        told.contains("a sweep compares networks that give a score"),
        "{told}"
    );
}

/// Files from before there was a choice are as they were.
#[test]
fn settings_without_another_loss_are_written_as_before() {
    let json = serde_json::to_string(&FitConfig::default()).unwrap();
    assert!(!json.contains("\"loss\""), "{json}");
    let other = FitConfig::default().loss(BinaryCrossEntropy::from_logits());
    let json = serde_json::to_string(&other).unwrap();
    assert_eq!(serde_json::from_str::<FitConfig>(&json).unwrap(), other);
}
