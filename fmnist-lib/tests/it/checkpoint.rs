use std::fs;

use fmnist_lib::{
    Callback, Dataset, EarlyStopping, Error, FitConfig, Model, Result, StepRecord, Verbose, fit,
    fit_with, one_layer, resume,
};
use safetensors::SafeTensors;

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

    let whole = small().build(1).unwrap();
    fit(&whole, &data, &validation, config.clone()).unwrap();

    killed_in(3, config, &data, &validation);
    let (resumed, run) = resume(&path, &data, &validation).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
    let comparable = |model: &Model| -> Vec<_> {
        let epochs = model.history().epochs.into_iter();
        epochs
            .map(|r| (r.epoch, r.loss, r.accuracy, r.val_loss, r.val_accuracy))
            .collect()
    };
    assert_eq!(comparable(&resumed), comparable(&whole));
    assert_eq!(run.history.epochs.len(), 4);
    // Both go on alike: the moments are the same too.
    fit(&whole, &data, None, self::config().epochs(1)).unwrap();
    fit(&resumed, &data, None, self::config().epochs(1)).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

/// Trains `small()`, from seed 1, until it fails in the second step of `epoch`.
pub(crate) fn killed_in(epoch: usize, config: FitConfig, data: &Dataset, validation: &Dataset) {
    struct Kill(usize);
    impl Callback for Kill {
        fn on_step_end(&mut self, record: &StepRecord) -> Result<()> {
            if (record.epoch, record.step) == (self.0, 2) {
                return Err(Error::Invalid("killed".into()));
            }
            Ok(())
        }
    }
    let model = small().build(1).unwrap();
    fit_with(&model, data, validation, config, &mut [&mut Kill(epoch)]).unwrap_err();
}

#[test]
fn a_run_goes_on_in_the_file_that_it_is_resumed_from() {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    fs::create_dir(&before).unwrap();
    let config = config().checkpoint(before.join("run.safetensors"));
    killed_in(3, config, &data, &validation);
    fs::rename(&before, &after).unwrap();
    let moved = after.join("run.safetensors");
    resume(&moved, &data, &validation).unwrap();
    assert_eq!(Model::load(&moved).unwrap().history().epochs.len(), 4);
    assert!(!before.exists());
}

#[test]
fn weights_are_found_by_name_and_csv_by_column() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, csv) = (
        folder.path().join("w.safetensors"),
        folder.path().join("h.csv"),
    );
    let model = one_layer().build(1).unwrap();
    fit(&model, &striped(32, 1), None, config().epochs(2).csv(&csv)).unwrap();
    model.save_weights(&weights).unwrap();
    let bytes = fs::read(&weights).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 6);
    assert_eq!(
        file.tensor("Conv2D-1.kernel").unwrap().shape(),
        [3, 3, 1, 32]
    );
    let other = one_layer().build(2).unwrap();
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
    let model = small().build(1).unwrap();
    fit(&model, &striped(32, 1), None, config().epochs(1)).unwrap();
    model.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let target = small().build(2).unwrap();
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
    let model = small().build(2).unwrap();
    let before = bits(&model);
    let refusal = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = model.restore(&path).unwrap_err();
        assert!(error.to_string().contains("file.safetensors"), "{error}");
        error.to_string()
    };
    assert!(refusal(b"not a checkpoint at all").contains("not a whole safetensors file"));

    one_layer().build(1).unwrap().save(&path).unwrap();
    let other_network = fs::read(&path).unwrap();
    assert!(refusal(&other_network).contains("no tensor conv.kernel"));

    model.save_weights(&path).unwrap();
    let weights_alone = fs::read(&path).unwrap();
    assert!(refusal(&weights_alone).contains("use load_weights"));

    model.save(&path).unwrap();
    let own = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&own).into_owned();
    let version = text.find(r#"\"version\":1"#).unwrap() + r#"\"version\":"#.len();
    let mut later = own.clone();
    later[version] = b'9';
    assert!(refusal(&later).contains("format 9"));

    assert_eq!(bits(&model), before);
    let missing = Model::load(folder.path().join("absent")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("absent"));
    let nowhere = model
        .save(folder.path().join("no/such/folder/f"))
        .unwrap_err();
    assert!(nowhere.to_string().contains("no/such/folder"), "{nowhere}");
}
