//! One file that holds all that training needs to go on, or the weights alone.
//!
//! It is a safetensors file. The weights lie under their own names, so that any reader finds them;
//! Adam's moments, the best weights so far and the moving average have a prefix; the rest is JSON in
//! the metadata.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::{Log, Model, ModelSpec, RunPlan};
use crate::files::write_atomically;
use crate::history::History;
use crate::optim::{Adam, Moments};
use crate::{Error, Result};

/// Raised when a file written by this version cannot be read by the one before.
const VERSION: u32 = 1;
const METADATA: &str = "fmnist-lib";
const MEAN: &str = "adam.mean/";
const SQUARE: &str = "adam.square/";
const BEST: &str = "best/";
const AVERAGE: &str = "average/";

#[derive(Serialize, Deserialize)]
struct Metadata {
    version: u32,
    /// `None` where a layer of the user's own is part of the network.
    spec: Option<ModelSpec>,
    adam_steps: usize,
    history: History,
    run: Option<RunPlan>,
}

impl Model {
    /// Writes weights, optimiser, history and the current run to `path`, all or nothing.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before then stays.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (adam, log) = (self.adam(), self.log());
        let mut tensors = self.weights();
        for (weight, moments) in self.named_weights().iter().zip(&adam.moments) {
            tensors.push((format!("{MEAN}{}", weight.name), moments.mean.clone()));
            tensors.push((format!("{SQUARE}{}", weight.name), moments.square.clone()));
        }
        for (prefix, copies) in [(BEST, &log.best), (AVERAGE, &log.average)] {
            for (weight, copy) in self.named_weights().iter().zip(copies.iter().flatten()) {
                tensors.push((format!("{prefix}{}", weight.name), copy.clone()));
            }
        }
        let mut metadata = Metadata {
            version: VERSION,
            spec: Some(self.spec.clone()),
            adam_steps: adam.steps,
            history: log.history.clone(),
            run: log.run.clone(),
        };
        if serde_json::to_string(&metadata.spec).is_err() {
            metadata.spec = None;
        }
        let path = path.as_ref();
        let json = serde_json::to_string(&metadata).map_err(|error| refused(path, error))?;
        write(
            path,
            &tensors,
            Some(HashMap::from([(METADATA.to_owned(), json)])),
        )
    }

    /// Writes the weights alone to `path`, under their names, for any program that reads safetensors.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before then stays.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        write(path.as_ref(), &self.weights(), None)
    }

    /// Reads a model that [`save`](Self::save) or a checkpoint has written, on the CPU.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the file is truncated, foreign, of a later version, or has layers
    /// of your own: for those, build the model and [`restore`](Self::restore) it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let spec = metadata(path, &bytes)?.spec.ok_or_else(|| {
            refused(
                path,
                "it has layers of your own: build the model from its ModelSpec, then call restore",
            )
        })?;
        let model = spec.build(0)?;
        model.restore_from(path, &bytes)?;
        Ok(model)
    }

    /// Replaces everything this model has learned by what `path` holds.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the file cannot be used or is of another network. The model is
    /// then as it was.
    pub fn restore(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.restore_from(path, &read(path)?)
    }

    /// Replaces the weights by those of the same names in any safetensors file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when one is missing or has another shape or type. The model is then as
    /// it was.
    pub fn load_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let weights = self.tensors(path, &parse(path, &bytes)?, "")?;
        self.set_weights(&weights)
    }

    fn restore_from(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let Metadata {
            adam_steps,
            history,
            mut run,
            ..
        } = metadata(path, bytes)?;
        let file = parse(path, bytes)?;
        if run
            .as_ref()
            .is_some_and(|run| run.epochs_before > history.epochs.len())
        {
            return Err(refused(
                path,
                "its history is shorter than its training run",
            ));
        }
        // The file may have been moved, or the working directory have changed, since it was written.
        if let Some(checkpoint) = run.as_mut().and_then(|run| run.config.checkpoint.as_mut()) {
            *checkpoint = path.to_owned();
        }
        let weights = self.tensors(path, &file, "")?;
        let means = self.tensors(path, &file, MEAN)?;
        let squares = self.tensors(path, &file, SQUARE)?;
        let copies = |prefix: &str| {
            let there = file.names().iter().any(|name| name.starts_with(prefix));
            there.then(|| self.tensors(path, &file, prefix)).transpose()
        };
        let (best, average) = (copies(BEST)?, copies(AVERAGE)?);
        // Only now that all is there does anything change.
        self.set_weights(&weights)?;
        let moments = means.into_iter().zip(squares);
        *self.adam() = Adam {
            steps: adam_steps,
            moments: moments
                .map(|(mean, square)| Moments { mean, square })
                .collect(),
        };
        *self.log() = Log {
            history,
            run,
            best,
            average,
        };
        Ok(())
    }

    /// For each weight, the tensor of its name behind `prefix`, of its shape.
    fn tensors(&self, path: &Path, file: &SafeTensors<'_>, prefix: &str) -> Result<Vec<Tensor>> {
        let read = |weight: &super::NamedWeight| {
            let name = format!("{prefix}{}", weight.name);
            let view = file.tensor(&name).map_err(|_| {
                refused(
                    path,
                    format!(
                        "it has no tensor {name}, which model {} needs",
                        self.spec.name()
                    ),
                )
            })?;
            if view.dtype() != Dtype::F32 || view.shape() != weight.var.dims() {
                return Err(refused(
                    path,
                    format!(
                        "{name} is {:?} of shape {:?}, but model {} needs F32 of shape {:?}",
                        view.dtype(),
                        view.shape(),
                        self.spec.name(),
                        weight.var.dims()
                    ),
                ));
            }
            let (shape, device) = (view.shape(), self.device());
            Ok(Tensor::from_raw_buffer(
                view.data(),
                DType::F32,
                shape,
                device,
            )?)
        };
        self.named_weights().iter().map(read).collect()
    }
}

fn refused(path: &Path, problem: impl ToString) -> Error {
    Error::Checkpoint {
        path: path.into(),
        problem: problem.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::io("read", path))
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes)
        .map_err(|error| refused(path, format!("not a whole safetensors file ({error})")))
}

fn metadata(path: &Path, bytes: &[u8]) -> Result<Metadata> {
    parse(path, bytes)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| refused(path, error))?;
    let json = header
        .metadata()
        .as_ref()
        .and_then(|entries| entries.get(METADATA));
    let json = json.ok_or_else(|| {
        refused(
            path,
            "it holds no training state, perhaps weights alone: use load_weights",
        )
    })?;
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let unreadable =
        |error: serde_json::Error| refused(path, format!("its state is damaged ({error})"));
    let Version { version } = serde_json::from_str(json).map_err(unreadable)?;
    if version != VERSION {
        return Err(refused(
            path,
            format!("it has format {version}, this version of fmnist-lib reads format {VERSION}"),
        ));
    }
    serde_json::from_str(json).map_err(unreadable)
}

fn write(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    let mut parts = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let values = tensor
            .to_device(&Device::Cpu)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        parts.push((name, tensor.dims().to_vec(), bytes));
    }
    let views = parts.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        Ok((name.as_str(), view.map_err(|error| refused(path, error))?))
    });
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let bytes = safetensors::serialize(views, metadata).map_err(|error| refused(path, error))?;
    write_atomically(path, &bytes)
}
