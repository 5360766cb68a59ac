//! One file that holds all that training needs to go on, or the weights alone.
//!
//! It is a safetensors file. The weights lie under their own names, so that any reader finds them;
//! what the optimiser keeps, the best weights so far and the moving average have a prefix; the rest is JSON in
//! the metadata.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;

use super::file::{FIRST_VERSION, METADATA, Metadata, VERSION, metadata};
use super::{Log, Model};
use crate::config::FitConfig;
use crate::error::Result;
use crate::optim::{Adam, Optimizer, OptimizerState, to_host};
use crate::support::files::{read, write_atomically};
use crate::support::tensors::{Wanted, parse, refused, serialize, write};

const BEST: &str = "best/";
const AVERAGE: &str = "average/";

impl Model {
    /// Writes weights, optimiser, history and the current run to `path`, all or nothing. A run that
    /// was stopped goes on from the file by [`resume`](crate::resume), exactly where it was.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before then stays.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_to(path.as_ref())
    }

    // Here and elsewhere: what is generic is compiled in the cell of a notebook that calls it.
    fn write_to(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes(path)?)
    }

    /// What [`save`](Self::save) writes to `path`.
    pub(crate) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        let (optimizer, log) = (&self.optimizer, &self.log);
        let mut tensors = self.weights();
        for (weight, state) in self.weights.iter().zip(&optimizer.of_weights) {
            for (name, values) in optimizer.names.iter().zip(state) {
                let values = Tensor::from_slice(values, weight.var.shape(), &Device::Cpu)?;
                tensors.push((format!("{name}/{}", weight.name), values));
            }
        }
        for (prefix, copies) in [(BEST, &log.best), (AVERAGE, &log.average)] {
            for (weight, copy) in self.weights.iter().zip(copies.iter().flatten()) {
                tensors.push((format!("{prefix}{}", weight.name), copy.clone()));
            }
        }
        let frozen = self.frozen_names()?;
        let in_shards = log.run.as_ref().is_some_and(|run| run.config.shards > 1);
        let mut metadata = Metadata {
            version: match log.epoch_so_far.is_some() || !frozen.is_empty() || in_shards {
                true => VERSION,
                false => FIRST_VERSION,
            },
            spec: Some(self.spec.clone()),
            scaling: Some(self.spec.input_scaling()),
            steps: optimizer.steps,
            state: Some(optimizer.names.clone()),
            history: log.history.clone(),
            run: log.run.clone(),
            epoch_so_far: log.epoch_so_far,
            ended: log.ended,
            frozen,
        };
        // A layer of the user's own cannot be written.
        if serde_json::to_string(&metadata.spec).is_err() {
            metadata.spec = None;
        }
        let json = serde_json::to_string(&metadata).map_err(|error| refused(path, error))?;
        let metadata = HashMap::from([(METADATA.to_owned(), json)]);
        serialize(path, &tensors, Some(metadata))
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
    ///
    /// [`Error::Checkpoint`]: crate::Error::Checkpoint
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_from(path.as_ref())
    }

    fn read_from(path: &Path) -> Result<Self> {
        Self::from_bytes(path, &read(path)?)
    }

    /// What [`load`](Self::load) reads from `path`.
    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let spec = metadata(path, bytes)?.spec.ok_or_else(|| {
            refused(
                path,
                "it has layers of your own: build the model from its ModelSpec, then call restore",
            )
        })?;
        let mut model = spec.build(0)?;
        model.restore_from(path, bytes)?;
        Ok(model)
    }

    /// Replaces everything this model has learned by what `path` holds. The layers that were [frozen](Self::freeze) when
    /// the file was written are frozen then, and no others.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the file cannot be used or is of a network with other layers or
    /// another scaling (its name may differ). The model is then as it was.
    ///
    /// [`Error::Checkpoint`]: crate::Error::Checkpoint
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.restore_file(path.as_ref())
    }

    fn restore_file(&mut self, path: &Path) -> Result<()> {
        self.restore_from(path, &read(path)?)
    }

    /// Replaces the weights by those of the same names in any safetensors file.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when one is missing or has another shape or type. The model is then as
    /// it was.
    ///
    /// [`Error::Checkpoint`]: crate::Error::Checkpoint
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.read_weights(path.as_ref())
    }

    fn read_weights(&mut self, path: &Path) -> Result<()> {
        let bytes = read(path)?;
        let weights = self.tensors(path, &parse(path, &bytes)?, "")?;
        self.set_weights(&weights)
    }

    fn restore_from(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let Metadata {
            steps,
            state,
            history,
            mut run,
            epoch_so_far,
            ended,
            frozen,
            spec,
            scaling,
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
        if let Some(run) = &mut run {
            move_files(&mut run.config, path);
        }
        let weights = self.tensors(path, &file, "")?;
        // Files of before there was a choice have the state of Adam.
        let names = state.unwrap_or_else(|| {
            Adam::new()
                .state()
                .iter()
                .map(ToString::to_string)
                .collect()
        });
        let mut of_weights = vec![Vec::new(); self.weights.len()];
        for name in &names {
            let values = self.tensors(path, &file, &format!("{name}/"))?;
            for (state, values) in of_weights.iter_mut().zip(values) {
                state.push(to_host(&values)?);
            }
        }
        let copies = |prefix: &str| {
            let there = file.names().iter().any(|name| name.starts_with(prefix));
            there.then(|| self.tensors(path, &file, prefix)).transpose()
        };
        let (best, average) = (copies(BEST)?, copies(AVERAGE)?);
        if let Some(difference) = self.spec.difference(scaling, spec.as_ref()) {
            return Err(refused(
                path,
                format!("{difference}; load_weights takes the weights alone"),
            ));
        }
        let frozen = self.named(&frozen);
        let frozen = frozen.map_err(|error| refused(path, error))?;
        // Only now that all is there does anything change.
        self.apply_frozen(&frozen)?;
        self.set_weights(&weights)?;
        self.optimizer = OptimizerState {
            steps,
            names,
            of_weights,
        };
        self.log = Log {
            history,
            run,
            best,
            average,
            epoch_so_far,
            ended,
        };
        Ok(())
    }

    /// For each weight, the tensor of its name behind `prefix`, of its shape.
    fn tensors(&self, path: &Path, file: &SafeTensors<'_>, prefix: &str) -> Result<Vec<Tensor>> {
        let read = |weight: &super::NamedWeight| {
            let wanted = Wanted {
                model: self.spec.name(),
                name: &format!("{prefix}{}", weight.name),
                shape: weight.var.dims(),
            };
            wanted.find(path, file, self.device())
        };
        self.weights.iter().map(read).collect()
    }
}

/// Lets the run that is read from `path` write its next checkpoint there, and a CSV that lay beside
/// its checkpoint beside `path`.
fn move_files(config: &mut FitConfig, path: &Path) {
    let Some(checkpoint) = &mut config.checkpoint else {
        return;
    };
    let old = std::mem::replace(checkpoint, path.to_owned());
    if let Some(csv) = &mut config.csv
        && csv.parent() == old.parent()
        && let Some(name) = csv.file_name()
    {
        *csv = path.with_file_name(name);
    }
}
