//! What decides the outcome of a run, and the digest by which its result is found again.
//!
//! The settings are written out completely, so that a default that changes is another run. They are
//! read back as the types they were written from, so that a setting which a later version adds has,
//! in old results, the value that serde gives to a missing field: what was done before there was a
//! choice.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::config::FitConfig;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::loss::AnyLoss;
use crate::model::{ModelSpec, NamedLayer};
use crate::nn::{AnyLayer, Flatten};
use crate::optim::AnyOptimizer;

/// Of a digest, as much as tells the runs of a folder apart.
const DIGITS: usize = 16;

/// Fields of a [`FitConfig`] that the sweep sets, or that do not change what is learned.
const NOT_OF_TRAINING: [&str; 4] = ["seed", "checkpoint", "csv", "verbose"];

/// Writes out the settings of a run on the data with the fingerprint `data`.
pub(super) fn settings(
    spec: &ModelSpec,
    config: &FitConfig,
    images: Option<usize>,
    (train_fraction, seed): (f64, u64),
    data: &str,
) -> Result<Value> {
    Ok(json!({
        "data": data,
        "images": images,
        "network": network(spec)?,
        "optimizer": optimizer(config)?,
        "seed": seed,
        "train_fraction": train_fraction,
        "training": training(config)?,
    }))
}

/// The digest of settings.
pub(super) fn digest(settings: &Value) -> String {
    let mut digest = format!("{:x}", Sha256::digest(settings.to_string()));
    digest.truncate(DIGITS);
    digest
}

/// The settings of a file as this version of the library writes them.
pub(super) fn complete(mut settings: Value) -> Value {
    if let Some(complete) = settings.get("training").and_then(complete_training) {
        settings["training"] = complete;
    }
    if let Some(complete) = settings.get("network").and_then(complete_network) {
        settings["network"] = complete;
    }
    settings
}

/// A digest of all pixels and labels.
pub(super) fn fingerprint(dataset: &Dataset) -> String {
    let digest = Sha256::new()
        .chain_update(dataset.images())
        .chain_update(dataset.labels())
        .finalize();
    format!("{digest:x}")
}

/// As [`training`], of the optimiser.
pub(super) fn optimizer(config: &FitConfig) -> Result<Value> {
    to_json(&config.optimizer, "an optimizer")
}

/// Two configurations of the same training have the same one of these.
pub(super) fn training(config: &FitConfig) -> Result<Value> {
    // The optimiser has a place of its own, and is left out here where it is the default.
    let config = FitConfig {
        optimizer: AnyOptimizer::default(),
        ..config.clone()
    };
    let mut fields = to_json(&config, "a configuration")?;
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| !NOT_OF_TRAINING.contains(&name.as_str()));
    }
    Ok(fields)
}

fn complete_training(recorded: &Value) -> Option<Value> {
    let mut fields = Map::new();
    let default = serde_json::to_value(FitConfig::default()).ok()?;
    for name in NOT_OF_TRAINING {
        fields.insert(name.to_owned(), default.get(name)?.clone());
    }
    fields.extend(recorded.as_object()?.clone());
    training(&serde_json::from_value(Value::Object(fields)).ok()?).ok()
}

/// The network without its name, which has no influence on what it learns. The names of its layers
/// have: they seed the initial weights.
fn network(spec: &ModelSpec) -> Result<Value> {
    let mut without_own = spec.clone();
    for NamedLayer { layer, .. } in without_own.layers.layers_mut() {
        if matches!(layer, AnyLayer::Custom(_)) {
            *layer = Flatten.into();
        }
    }
    let mut network = to_json(&without_own, "a network")?;
    let mut layers = spec.layers.layers().into_iter();
    each_layer(&mut network["layers"], &mut |json| {
        if let Some(AnyLayer::Custom(own)) = layers.next().map(|named| &named.layer) {
            *json = json!({ "Custom": { "kind": own.kind(), "key": own.key() } });
        }
    });
    Ok(without_name(network))
}

fn complete_network(recorded: &Value) -> Option<Value> {
    let mut fields = recorded.clone();
    fields.as_object_mut()?.insert("name".to_owned(), "".into());
    let flatten = serde_json::to_value(AnyLayer::from(Flatten)).ok()?;
    let mut own = Vec::new();
    each_layer(&mut fields["layers"], &mut |layer| {
        let is_own = layer.get("Custom").is_some();
        own.push(is_own.then(|| std::mem::replace(layer, flatten.clone())));
    });
    let spec: ModelSpec = serde_json::from_value(fields).ok()?;
    let mut complete = network(&spec).ok()?;
    let mut own = own.into_iter();
    each_layer(&mut complete["layers"], &mut |layer| {
        if let Some(Some(own)) = own.next() {
            *layer = own;
        }
    });
    Some(complete)
}

/// Visits the layers of a network in JSON, branch by branch, in the order of
/// [`Block::layers`](crate::Block).
fn each_layer(parts: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    for part in parts.as_array_mut().into_iter().flatten() {
        match part.get_mut("branches") {
            Some(branches) => {
                let branches = branches.as_array_mut().into_iter().flatten();
                branches.for_each(|block| each_layer(block, visit));
            }
            None => visit(&mut part["layer"]),
        }
    }
}

fn without_name(mut network: Value) -> Value {
    if let Some(fields) = network.as_object_mut() {
        fields.remove("name");
    }
    network
}

/// What of the user's own has no key: a layer, the optimizer, or the loss.
pub(super) fn without_key(spec: &ModelSpec, config: &FitConfig) -> Option<String> {
    let layers = spec.layers.layers();
    let layer = layers.iter().find(|named| match &named.layer {
        AnyLayer::Custom(own) => own.key().is_none(),
        _ => false,
    });
    let optimizer = match &config.optimizer {
        AnyOptimizer::Custom(own) => own.key().is_none(),
        _ => false,
    };
    let loss = match &config.loss {
        AnyLoss::Custom(own) => own.key().is_none(),
        _ => false,
    };
    let layer = layer.map(|named| format!("layer {}", named.name));
    layer
        .or(optimizer.then(|| "the optimizer".to_owned()))
        .or(loss.then(|| "the loss".to_owned()))
}

fn to_json(value: &impl serde::Serialize, what: &str) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|error| Error::Invalid(format!("cannot write {what} as JSON: {error}")))
}
