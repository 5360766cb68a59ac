//! Results in the form before format 2, read once more.
//!
//! That form left settings out where they had their default, had the trial's name and what was
//! measured among the settings, and did not say where a result came from.

use std::fs::{remove_file, rename};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::key::Key;
use super::origin::Origin;
use super::record::{FORMAT, Measures, Record, Test};
use super::settings::{complete, fingerprint};
use super::store::{files, write};
use crate::data::TrainTest;
use crate::error::{Error, Result};
use crate::evaluate::Evaluation;
use crate::history::History;

/// What [`convert_results`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// Results that are now of the present form.
    pub converted: usize,
    /// Results of the old form that stay as they are, each with the reason.
    pub left: Vec<(PathBuf, String)>,
}

#[derive(Deserialize)]
struct Old {
    settings: Settings,
    run: Run,
    flipped: Option<Run>,
}

#[derive(Deserialize)]
struct Settings {
    data: String,
    network: Value,
    /// What is not at its default.
    training: Map<String, Value>,
    seed: u64,
    train_fraction: f64,
    images: Option<usize>,
    test: bool,
}

#[derive(Deserialize)]
struct Run {
    trial: String,
    parameters: usize,
    history: History,
    validation: Option<Evaluation>,
    test: Option<Evaluation>,
    diverged: Option<String>,
}

/// Brings the results in `folder` that an early fmnist-lib 0.1.0 has written into the present form,
/// for [`Sweep`](crate::Sweep) to find them; models that were kept beside them go with them.
///
/// `data` are the images that the results are of. `origin` is what you know of where they come from,
/// for the old form does not say it: `Origin::default()` where that is nothing.
///
/// A checkpoint of a run that had not ended cannot be converted, as the old form did not name its
/// data. It stays, and the run is done anew.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be used. A result that cannot be converted stays as it is.
pub fn convert_results(
    folder: impl AsRef<Path>,
    data: &TrainTest,
    origin: &Origin,
) -> Result<Conversion> {
    let fingerprints = (fingerprint(&data.train), fingerprint(&data.test));
    let mut conversion = Conversion::default();
    for path in files(folder.as_ref(), "json")? {
        // Any other file is none of ours.
        let bytes = std::fs::read(&path).unwrap_or_default();
        let Ok(old) = serde_json::from_slice::<Old>(&bytes) else {
            continue;
        };
        match convert(old, &path, &fingerprints, origin) {
            Ok(()) => conversion.converted += 1,
            Err(Error::Invalid(reason)) => conversion.left.push((path, reason)),
            Err(error) => return Err(error),
        }
    }
    Ok(conversion)
}

fn convert(old: Old, path: &Path, (train, test): &(String, String), origin: &Origin) -> Result<()> {
    let Settings { network, seed, .. } = &old.settings;
    if old.settings.data != *train {
        return Err(Error::Invalid(
            "it is of other images than those given".into(),
        ));
    }
    if !network.is_object() {
        return Err(Error::Invalid(
            "its network has a layer of your own, whose code at that time nobody knows".into(),
        ));
    }
    let measures = |run: &Run| Measures {
        validation: run.validation.clone(),
        test: old.settings.test.then(|| Test {
            data: test.clone(),
            evaluation: run.test.clone(),
        }),
    };
    let record = Record {
        format: FORMAT,
        trial: old.run.trial.clone(),
        settings: settings(&old.settings),
        origin: origin.clone(),
        parameters: old.run.parameters,
        diverged: old.run.diverged.clone(),
        measured: (old.run.diverged.is_none()).then(|| measures(&old.run)),
        flipped: old.flipped.as_ref().map(measures),
        model: None,
        history: old.run.history,
    };
    let key = Key::new(&record.trial, *seed, &record.settings);
    let new = path.with_file_name(key.stem() + ".json");
    if new.exists() {
        return Err(Error::Invalid(format!(
            "there is {} already",
            new.display()
        )));
    }
    write(&new, &record)?;
    let model = path.with_extension("safetensors");
    if model.exists() {
        rename(&model, new.with_extension("safetensors")).map_err(Error::io("rename", &model))?;
    }
    remove_file(path).map_err(Error::io("remove", path))
}

/// The settings with all defaults as they were then.
fn settings(old: &Settings) -> Value {
    let mut training = json!({
        "augmentation": { "erase": 0.0, "flip": false, "shift": 0 },
        "batch_size": 512,
        "early_stopping": null,
        "ema_momentum": null,
        "epochs": 50,
        "label_smoothing": 0.0,
        "learning_rate": 0.001,
        "schedule": "Constant",
        "weight_decay": 0.0,
    });
    for (name, value) in &old.training {
        training[name] = value.clone();
    }
    complete(json!({
        "data": old.data,
        "images": old.images,
        "network": old.network,
        "optimizer": { "Adam": { "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7 } },
        "seed": old.seed,
        "train_fraction": old.train_fraction,
        "training": training,
    }))
}
