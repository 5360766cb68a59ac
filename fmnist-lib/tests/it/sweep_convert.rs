use std::fs;
use std::path::{Path, PathBuf};

use fmnist_lib::{Conversion, Origin, Sweep, TrainTest, Trial, convert_results};
use serde_json::{Value, json};

use crate::striped;
use crate::sweep::{config, data, files};
use crate::training::small;

fn sweep(folder: &Path) -> Sweep {
    let config = config().learning_rate(0.01);
    let trial = Trial::new("faster: 1", small(), config).test_time_flip();
    Sweep::new(folder).trial(trial).test().keep_models()
}

/// Puts the only result in `folder`, and its model, into the form of an early version 0.1.0.
fn make_old(folder: &Path) -> PathBuf {
    let path = folder.join(&files(folder, ".json")[0]);
    let new: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let run = |trial: &str, measures: &Value| {
        json!({
            "trial": trial,
            "seed": 42,
            "parameters": new["parameters"],
            "history": new["history"],
            "validation": measures["validation"],
            "test": measures["test"]["evaluation"],
            "diverged": null,
        })
    };
    let mut network = new["settings"]["network"].clone();
    network["name"] = "small".into();
    let old = json!({
        "settings": {
            "data": new["settings"]["data"],
            "network": network,
            "training": { "epochs": 2, "batch_size": 30, "learning_rate": 0.01 },
            "seed": 42,
            "train_fraction": 0.8,
            "images": null,
            "flip": true,
            "test": true,
        },
        "run": run("faster: 1", &new["measured"]),
        "flipped": run("faster: 1 + test-time flip", &new["flipped"]),
    });
    let at = folder.join("faster--1-seed42-0123456789ab.json");
    fs::write(&at, old.to_string()).unwrap();
    fs::rename(
        path.with_extension("safetensors"),
        at.with_extension("safetensors"),
    )
    .unwrap();
    fs::remove_file(path).unwrap();
    at
}

#[test]
fn old_results_are_named_left_alone_and_found_when_converted() {
    let folder = tempfile::tempdir().unwrap();
    let before = sweep(folder.path()).run(&data()).unwrap();
    let old = make_old(folder.path());
    let bytes = fs::read(&old).unwrap();
    let refused = sweep(folder.path()).run(&data()).unwrap_err().to_string();
    assert!(refused.contains("convert_results("), "{refused}");
    assert!(refused.contains("faster--1-seed42"), "{refused}");
    assert_eq!(fs::read(&old).unwrap(), bytes);

    // Of other images: nothing is touched.
    let other = TrainTest {
        train: striped(150, 9),
        ..data()
    };
    let left = convert_results(folder.path(), &other, &Origin::default()).unwrap();
    assert_eq!((left.converted, left.left.len()), (0, 1));
    assert_eq!(fs::read(&old).unwrap(), bytes);

    let mut origin = Origin::default();
    origin.cpu = Some("a processor".to_owned());
    let done = convert_results(folder.path(), &data(), &origin).unwrap();
    let all = Conversion {
        converted: 1,
        left: Vec::new(),
    };
    assert_eq!(done, all);
    assert!(!old.exists() && !old.with_extension("safetensors").exists());
    let found = sweep(folder.path()).run(&data()).unwrap();
    for (found, before) in found.runs().iter().zip(before.runs()) {
        assert_eq!(found.trial, before.trial);
        assert_eq!(found.history, before.history, "it was trained again");
        assert_eq!(found.validation, before.validation);
        assert_eq!(found.test, before.test);
        assert_eq!(found.origin, origin);
    }
    assert_eq!(files(folder.path(), ".json").len(), 1);
    assert_eq!(files(folder.path(), ".safetensors").len(), 1);
    // Once more: there is nothing to do.
    let again = convert_results(folder.path(), &data(), &origin).unwrap();
    assert_eq!(again, Conversion::default());
}

#[test]
fn what_cannot_be_converted_stays() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path()).run(&data()).unwrap();
    let old = make_old(folder.path());
    let mut record: Value = serde_json::from_slice(&fs::read(&old).unwrap()).unwrap();
    record["settings"]["network"] = "ModelSpec { layers: [Custom(Scaled)] }".into();
    fs::write(&old, record.to_string()).unwrap();
    fs::write(folder.path().join("notes.json"), "{\"mine\": 1}").unwrap();
    let done = convert_results(folder.path(), &data(), &Origin::default()).unwrap();
    assert_eq!(done.converted, 0);
    let [(path, reason)] = &done.left[..] else {
        panic!("{done:?}")
    };
    assert_eq!(path, &old);
    assert!(reason.contains("layer of your own"), "{reason}");
    assert!(old.exists() && old.with_extension("safetensors").exists());
    assert!(folder.path().join("notes.json").exists());
}
