//! Event files where they cannot be written, or hold little. What TensorBoard reads in them: `interop::tensorboard`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use fmnist_lib::{
    Callback, Dense, EpochRecord, Error, FitConfig, Flatten, MeanSquaredError, Model, ModelSpec,
    Reshape, Result, TensorBoard, Verbose, finish, fit_with,
};

use crate::striped;

/// Ends a run with an error after this epoch.
pub(crate) struct FailsAfter(pub(crate) usize);

impl Callback for FailsAfter {
    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        match record.epoch < self.0 {
            true => Ok(ControlFlow::Continue(())),
            false => Err(Error::Invalid("enough".into())),
        }
    }
}

/// In the order of their names.
pub(crate) fn event_files(run: &Path) -> Vec<PathBuf> {
    let entries = run.read_dir().unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn classifier() -> ModelSpec {
    ModelSpec::new("classifier")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10))
}

fn config() -> FitConfig {
    FitConfig::default().epochs(2).verbose(Verbose::Silent)
}

#[test]
fn what_cannot_be_written_is_refused_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let data = striped(32, 1);
    let mut model = classifier().build(1).unwrap();
    let mut board = TensorBoard::new(file.join("logs"));
    let error = fit_with(&mut model, &data, None, config(), &mut [&mut board]).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    let path = file.join("logs/train");
    let expected = format!("cannot create {}", path.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert_eq!(model.history().epochs, []);
    // No run has begun.
    let nothing = finish(&mut model, &data, None).unwrap_err();
    assert!(nothing.to_string().contains("call fit"), "{nothing}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn mistakes_of_a_network_that_does_not_classify_are_refused_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let data = striped(32, 1);
    let draws = ModelSpec::new("draws")
        .layer("flatten", Flatten)
        .layer("hidden", Dense::new(784))
        .layer("image", Reshape::new([28, 28, 1]));
    let empty = data.take(0);
    for (spec, images) in [(&draws, &data), (&classifier(), &empty)] {
        let mut model = spec.build(1).unwrap();
        let mut board = TensorBoard::new(folder.path().join("logs")).mistakes(images);
        let config = match spec.name() {
            "draws" => config().loss(MeanSquaredError::new()),
            _ => config(),
        };
        let error = fit_with(&mut model, &data, None, config, &mut [&mut board]).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with("the images for TensorBoard's mistakes: "),
            "{told}"
        );
        assert_eq!(model.history().epochs, []);
    }
    assert!(!folder.path().join("logs").exists());
}

#[test]
fn without_validation_images_there_is_no_folder_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = striped(32, 1);
    let mut model = classifier().build(1).unwrap();
    let mut board = TensorBoard::new(folder.path());
    fit_with(&mut model, &data, None, config(), &mut [&mut board]).unwrap();
    assert_eq!(event_files(&folder.path().join("train")).len(), 1);
    assert!(!folder.path().join("validation").exists());
}
