//! Event files, against TensorBoard's own reader.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fmnist_lib::{
    BatchNorm, Dataset, Dense, EpochRecord, FitConfig, Flatten, History, Model, ModelSpec,
    TensorBoard, Verbose, finish_with, fit_with, plot, predict,
};

use super::run;
use crate::striped;
use crate::tensorboard::{FailsAfter, event_files};

/// By run, plugin and tag: steps, and what each shows.
type Events = BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<(usize, serde_json::Value)>>>>;

fn read(folder: &Path) -> Events {
    run(
        "tensorboard",
        "tensorboard_events.py",
        &[folder.as_os_str()],
    );
    let found = fs::read_to_string(folder.join("events.json")).unwrap();
    serde_json::from_str(&found).unwrap()
}

fn model() -> Model {
    let spec = ModelSpec::new("small")
        .layer("flatten", Flatten)
        .layer("hidden", Dense::new(8))
        .layer("norm", BatchNorm::new())
        .layer("out", Dense::new(10));
    spec.build(3).unwrap()
}

fn config() -> FitConfig {
    FitConfig::default()
        .epochs(5)
        .batch_size(20)
        .verbose(Verbose::Silent)
}

fn assert_scalars(events: &Events, run: &str, tag: &str, of: &[(usize, Option<f32>)]) {
    let read = |(step, value): &(usize, serde_json::Value)| {
        (*step, value.as_f64().map(|value| value as f32))
    };
    let found: Vec<_> = events[run]["scalars"][tag].iter().map(read).collect();
    assert_eq!(found, of, "{run}/{tag}");
}

fn assert_history(events: &Events, history: &History) {
    let of = |measure: fn(&EpochRecord) -> Option<f32>| {
        let epochs = history.epochs.iter();
        Vec::from_iter(epochs.map(|record| (record.epoch, measure(record))))
    };
    let rate = of(|it| Some(it.learning_rate as f32));
    assert_scalars(events, "train", "epoch_loss", &of(|it| Some(it.loss)));
    assert_scalars(events, "train", "epoch_accuracy", &of(|it| it.accuracy));
    assert_scalars(events, "train", "epoch_learning_rate", &rate);
    assert_scalars(events, "validation", "epoch_loss", &of(|it| it.val_loss));
    let accuracy = of(|it| it.val_accuracy);
    assert_scalars(events, "validation", "epoch_accuracy", &accuracy);
    let tags = |run: &str| Vec::from_iter(events[run]["scalars"].keys().cloned());
    assert_eq!(
        tags("train"),
        ["epoch_accuracy", "epoch_learning_rate", "epoch_loss"]
    );
    assert_eq!(tags("validation"), ["epoch_accuracy", "epoch_loss"]);
}

/// Noise that has nothing to do with the labels.
fn unlearnable() -> Dataset {
    let labels = striped(70, 2).labels().to_vec();
    let moved = labels.iter().map(|label| (label + 3) % 10).collect();
    Dataset::new(striped(70, 2).images().to_vec(), moved).unwrap()
}

#[test]
fn tensorboard_reads_the_history_the_weights_and_the_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let (data, validation) = (striped(100, 1), unlearnable());
    let mut model = model();
    let mut board = TensorBoard::new(folder.path())
        .histogram_freq(2)
        .mistakes(&validation);
    let run = fit_with(&mut model, &data, &validation, config(), &mut [&mut board]).unwrap();
    for (name, weight) in model.weights() {
        let file = folder.path().join(format!("{name}.npy"));
        weight.write_npy(file).unwrap();
    }
    let events = read(folder.path());
    assert_eq!(Vec::from_iter(events.keys()), ["train", "validation"]);
    assert_history(&events, &run.history);

    let histograms = &events["train"]["histograms"];
    assert_eq!(histograms.len(), model.weights().len());
    for steps in histograms.values() {
        let steps: Vec<usize> = steps.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [1, 3, 5]);
    }

    let wrong = predict(&model, &validation).unwrap().classes;
    let wrong = wrong.iter().zip(validation.labels());
    assert!(wrong.filter(|(class, label)| class != label).count() >= 40);
    let classes = vec![0; validation.len()];
    let forty = Vec::from_iter((0..validation.len()).filter(|&i| validation.labels()[i] != 0));
    let figure = plot::predictions(&validation, &forty[..40], &classes).unwrap();
    // The SVG has four units to the pixel.
    let svg = figure.to_svg().unwrap();
    let svg = roxmltree::Document::parse(&svg).unwrap();
    let view = svg.root_element().attribute("viewBox").unwrap();
    let view: Vec<usize> = view.split(' ').map(|it| it.parse().unwrap()).collect();
    let (width, height) = (view[2] / 4, view[3] / 4);
    let shown = serde_json::json!([width, height, width, height]);
    let images = &events["validation"]["images"];
    assert_eq!(images["mistakes"], [(5, shown)]);
    assert_eq!(images.len(), 1);
}

#[test]
fn a_run_that_was_stopped_goes_on_in_the_same_curves() {
    let folder = tempfile::tempdir().unwrap();
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let mut model = model();
    let mut board = TensorBoard::new(folder.path());
    let mut fails = FailsAfter(2);
    let callbacks = &mut [&mut board as &mut dyn fmnist_lib::Callback, &mut fails];
    fit_with(&mut model, &data, &validation, config(), callbacks).unwrap_err();
    fails = FailsAfter(4);
    let callbacks = &mut [&mut board as &mut dyn fmnist_lib::Callback, &mut fails];
    finish_with(&mut model, &data, &validation, callbacks).unwrap_err();
    let mut new = TensorBoard::new(folder.path());
    finish_with(&mut model, &data, &validation, &mut [&mut new]).unwrap();
    assert_eq!(model.history().epochs.len(), 5);
    assert_history(&read(folder.path()), &model.history());
    for run in ["train", "validation"] {
        assert_eq!(event_files(&folder.path().join(run)).len(), 3, "{run}");
    }
}
