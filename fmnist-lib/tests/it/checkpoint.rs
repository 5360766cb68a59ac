use std::fs;
use std::ops::ControlFlow;

use fmnist_lib::{
    Callback, Dataset, Dropout, EarlyStopping, Ended, EpochRecord, Error, FitConfig, Model, Result,
    Scaling, Schedule, StepRecord, Verbose, evaluate, finish, fit, fit_with, one_layer, resume,
};
use safetensors::SafeTensors;

use crate::own::SAME;
use crate::striped;
use crate::training::{bits, small};

fn config() -> FitConfig {
    FitConfig::default()
        .epochs(4)
        .batch_size(32)
        .seed(3)
        .verbose(Verbose::Silent)
}

#[test]
fn an_interrupted_run_ends_with_the_same_bits() {
    interrupted_and_not(config());
    interrupted_and_not(config().ema_momentum(0.9));
}

fn interrupted_and_not(config: FitConfig) {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let config = config
        .checkpoint(&path)
        .early_stopping(EarlyStopping::after(2));

    let mut whole = small().build(1).unwrap();
    fit(&mut whole, &data, &validation, config.clone()).unwrap();

    killed_in(3, config, &data, &validation);
    let (mut resumed, run) = resume(&path, &data, &validation).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
    assert_eq!(comparable(&resumed), comparable(&whole));
    assert_eq!(run.history.epochs.len(), 4);
    // Both go on alike: the moments are the same too.
    fit(&mut whole, &data, None, self::config().epochs(1)).unwrap();
    fit(&mut resumed, &data, None, self::config().epochs(1)).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

/// What two runs of the same settings have in common: all but the time that they took.
pub(crate) fn comparable(model: &Model) -> Vec<EpochRecord> {
    let epochs = model.history().epochs.into_iter();
    epochs
        .map(|record| EpochRecord {
            seconds: 0.0,
            images_per_second: 0.0,
            ..record
        })
        .collect()
}

/// Trains `small()`, from seed 1, until it fails in the second step of `epoch`.
pub(crate) fn killed_in(
    epoch: usize,
    config: FitConfig,
    data: &Dataset,
    validation: &Dataset,
) -> Model {
    let mut model = small().build(1).unwrap();
    kill_in(epoch, &mut model, config, data, validation);
    model
}

/// Trains `model` until it fails in the second step of `epoch`.
pub(crate) fn kill_in(
    epoch: usize,
    model: &mut Model,
    config: FitConfig,
    data: &Dataset,
    validation: &Dataset,
) {
    struct Kill(usize);
    impl Callback for Kill {
        fn on_step_end(&mut self, _: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
            if (record.epoch, record.step) == (self.0, 2) {
                return Err(Error::Invalid("killed".into()));
            }
            Ok(ControlFlow::Continue(()))
        }
    }
    fit_with(model, data, validation, config, &mut [&mut Kill(epoch)]).unwrap_err();
}

/// All that a run can be in the middle of.
pub(crate) fn elaborate() -> FitConfig {
    config()
        .ema_momentum(0.9)
        .schedule(Schedule::OneCycle { rise: 0.3 })
        .early_stopping(EarlyStopping::after(2))
        .learning_rate(0.003_162_277_660_168_379_4)
}

#[test]
fn a_run_stopped_in_the_middle_of_an_epoch_ends_with_the_same_bits() {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    for config in [config(), elaborate()] {
        let mut whole = small().build(1).unwrap();
        let expected = fit(&mut whole, &data, &validation, config.clone()).unwrap();
        for epoch in [1, 3, 4] {
            let mut stopped = killed_in(epoch, config.clone(), &data, &validation);
            assert_eq!(stopped.history().epochs.len(), epoch - 1);
            stopped.save(&path).unwrap();

            // Refused calls leave it where it is.
            fit(&mut stopped, &data.take(0), None, config.clone()).unwrap_err();
            fit(&mut stopped, &data, None, config.clone().batch_size(0)).unwrap_err();
            let other_data = finish(&mut stopped, &data.take(99), &validation).unwrap_err();
            assert!(
                other_data.to_string().contains("100 images"),
                "{other_data}"
            );

            let run = finish(&mut stopped, &data, &validation).unwrap();
            let (resumed, resumed_run) = resume(&path, &data, &validation).unwrap();
            for (model, run) in [(&stopped, &run), (&resumed, &resumed_run)] {
                assert_eq!(bits(model), bits(&whole), "stopped in epoch {epoch}");
                assert_eq!(comparable(model), comparable(&whole));
                assert_eq!(run.history, model.history());
                assert_eq!(run.ended, expected.ended);
            }
            // The file that it was resumed from is the checkpoint of the rest.
            assert_eq!(bits(&Model::load(&path).unwrap()), bits(&whole));
        }
    }
    let mut new = small().build(1).unwrap();
    let nothing = finish(&mut new, &data, None).unwrap_err();
    assert!(nothing.to_string().contains("call fit"), "{nothing}");
}

#[test]
fn the_checkpoint_of_a_run_that_has_ended_is_the_model_that_fit_left() {
    struct StopAfter(usize);
    impl Callback for StopAfter {
        fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
            Ok(match record.epoch == self.0 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        }
    }
    let data = striped(100, 1);
    // Validation labels that are wrong on purpose: the better the training, the worse the loss.
    let wrong: Vec<u8> = data.labels().iter().map(|label| (label + 1) % 10).collect();
    let validation = Dataset::new(data.images().to_vec(), wrong).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let stopping = config().epochs(60).early_stopping(EarlyStopping::after(2));
    for (config, stop_after, expected) in [
        (config().ema_momentum(0.9), 0, Ended::Completed),
        (config().ema_momentum(0.9), 2, Ended::ByCallback),
        (stopping.clone(), 0, Ended::StoppedEarly),
        (stopping.ema_momentum(0.5), 0, Ended::StoppedEarly),
    ] {
        let mut model = small().build(1).unwrap();
        let mut stop = StopAfter(stop_after);
        let config = config.checkpoint(&path);
        let run = fit_with(&mut model, &data, &validation, config, &mut [&mut stop]).unwrap();
        assert_eq!(run.ended, expected);
        let loaded = Model::load(&path).unwrap();
        assert_eq!(bits(&loaded), bits(&model), "{expected:?}");
        assert_eq!(
            evaluate(&loaded, &validation).unwrap(),
            evaluate(&model, &validation).unwrap()
        );
        // There is nothing left to do.
        let (resumed, again) = resume(&path, &data, &validation).unwrap();
        assert_eq!(again, run);
        assert_eq!(bits(&resumed), bits(&model));
        assert_eq!(finish(&mut model, &data, &validation).unwrap(), run);
        assert_eq!(bits(&resumed), bits(&model));
        // A new run is a new one.
        assert_eq!(
            fit(&mut model, &data, None, self::config().epochs(1))
                .unwrap()
                .ended,
            Ended::Completed
        );
    }
}

#[test]
fn files_that_cannot_be_written_are_refused_before_the_first_epoch() {
    let data = striped(32, 1);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (checkpoint, csv) = (at("not/yet/run.safetensors"), at("neither/this/run.csv"));
    let mut model = small().build(1).unwrap();
    let config = config().epochs(1);
    let both = config.clone().checkpoint(&checkpoint).csv(&csv);
    fit(&mut model, &data, None, both).unwrap();
    assert!(checkpoint.is_file() && csv.is_file());

    fs::write(at("file"), "no folder").unwrap();
    let before = bits(&model);
    for name in [
        "file/run",
        "not/yet",
        "not",
        &format!("{}/run", "x".repeat(300)),
    ] {
        for config in [
            config.clone().checkpoint(at(name)),
            config.clone().csv(at(name)),
        ] {
            let error = fit(&mut model, &data, None, config)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("cannot write") && error.contains(name),
                "{error}"
            );
        }
    }
    assert_eq!(model.history().epochs.len(), 1);
    assert_eq!(bits(&model), before);
    assert!(fs::read_dir(at("not/yet")).unwrap().count() == 1);
}

#[test]
fn the_file_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    small().build(1).unwrap().save(&path).unwrap();
    let scaled = small().scaling(Scaling::Raw);
    let longer = small().layer("dropout-2", Dropout::new(0.1));
    for (spec, told) in [
        (scaled, "Scaling::Unit"),
        (longer, "layer 6 of its network is none"),
    ] {
        let mut model = spec.build(2).unwrap();
        let before = bits(&model);
        let error = model.restore(&path).unwrap_err().to_string();
        assert!(
            error.contains(told) && error.contains("load_weights"),
            "{error}"
        );
        assert_eq!(bits(&model), before);
        model.load_weights(&path).unwrap();
    }
    // Layers of one's own are in no file, but the scaling is.
    let own = |scaling| {
        small()
            .scaling(scaling)
            .custom("own", SAME)
            .build(3)
            .unwrap()
    };
    own(Scaling::Raw).save(&path).unwrap();
    let error = own(Scaling::Unit).restore(&path).unwrap_err().to_string();
    assert!(error.contains("Scaling::Raw"), "{error}");
    own(Scaling::Raw).restore(&path).unwrap();
    small().build(1).unwrap().save(&path).unwrap();
    small()
        .named("other")
        .build(2)
        .unwrap()
        .restore(&path)
        .unwrap();
}

#[test]
fn a_run_goes_on_in_the_file_that_it_is_resumed_from() {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::create_dir(&before).unwrap();
    let config = config().checkpoint(before.join("run.safetensors"));
    killed_in(3, config.csv(before.join("run.csv")), &data, &validation);
    fs::rename(&before, &after).unwrap();
    let moved = after.join("run.safetensors");
    resume(&moved, &data, &validation).unwrap();
    assert_eq!(Model::load(&moved).unwrap().history().epochs.len(), 4);
    let csv = fs::read_to_string(after.join("run.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5);
    assert!(!before.exists());
}

#[test]
fn weights_are_found_by_name_and_csv_by_column() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, csv) = (
        folder.path().join("w.safetensors"),
        folder.path().join("h.csv"),
    );
    let mut model = one_layer().build(1).unwrap();
    fit(
        &mut model,
        &striped(32, 1),
        None,
        config().epochs(2).csv(&csv),
    )
    .unwrap();
    model.save_weights(&weights).unwrap();
    let bytes = fs::read(&weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 6);
    assert_eq!(
        file.tensor("Conv2D-1.kernel").unwrap().shape(),
        [3, 3, 1, 32]
    );
    let mut other = one_layer().build(2).unwrap();
    other.load_weights(&weights).unwrap();
    assert_eq!(bits(&other), bits(&model));
    let text = fs::read_to_string(&csv).unwrap();
    assert!(text.starts_with("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,"));
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn a_file_cut_anywhere_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut model = small().build(1).unwrap();
    fit(&mut model, &striped(32, 1), None, config().epochs(1)).unwrap();
    model.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let mut target = small().build(2).unwrap();
    let before = bits(&target);
    for length in (0..bytes.len())
        .step_by(997)
        .chain(bytes.len() - 20..bytes.len())
    {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = target.restore(&path).unwrap_err();
        assert!(
            matches!(error, Error::Checkpoint { .. }),
            "{length}: {error}"
        );
        assert!(Model::load(&path).is_err());
    }
    assert_eq!(bits(&target), before);
    assert!(target.history().epochs.is_empty());
    fs::write(&path, &bytes).unwrap();
    target.restore(&path).unwrap();
    assert_eq!(bits(&target), bits(&model));
}

#[test]
fn wrong_and_foreign_files_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    let mut model = small().build(2).unwrap();
    let before = bits(&model);
    let refusal = |model: &mut Model, bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = model.restore(&path).unwrap_err();
        assert!(error.to_string().contains("file.safetensors"), "{error}");
        error.to_string()
    };
    assert!(
        refusal(&mut model, b"not a checkpoint at all").contains("not a whole safetensors file")
    );

    one_layer().build(1).unwrap().save(&path).unwrap();
    let other_network = fs::read(&path).unwrap();
    assert!(refusal(&mut model, &other_network).contains("no tensor conv.kernel"));

    model.save_weights(&path).unwrap();
    let weights_alone = fs::read(&path).unwrap();
    assert!(refusal(&mut model, &weights_alone).contains("use load_weights"));

    model.save(&path).unwrap();
    let own = fs::read(&path).unwrap();
    let before_version = br#"\"version\":"#;
    let version = own
        .windows(before_version.len())
        .position(|bytes| bytes == before_version)
        .unwrap()
        + before_version.len();
    let mut later = own.clone();
    later[version] = b'9';
    let told = refusal(&mut model, &later);
    assert!(told.contains("format 9"), "{told}");

    assert_eq!(bits(&model), before);
    let missing = Model::load(folder.path().join("absent")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("absent"));
    let nowhere = model
        .save(folder.path().join("no/such/folder/f"))
        .unwrap_err();
    assert!(nowhere.to_string().contains("no/such/folder"), "{nowhere}");
}
