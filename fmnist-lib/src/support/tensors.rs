//! Tensors by name, in a file of the format safetensors.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use super::files::write_atomically;
use crate::error::{Error, Result};

pub(crate) fn refused(path: &Path, problem: impl ToString) -> Error {
    Error::Checkpoint {
        path: path.into(),
        problem: problem.to_string(),
    }
}

pub(crate) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>> {
    SafeTensors::deserialize(bytes)
        .map_err(|error| refused(path, format!("not a whole safetensors file ({error})")))
}

/// What a model needs of a file.
pub(crate) struct Wanted<'a> {
    pub(crate) model: &'a str,
    pub(crate) name: &'a str,
    pub(crate) shape: &'a [usize],
}

impl Wanted<'_> {
    /// The tensor of this name, which must have this shape.
    pub(crate) fn find(
        &self,
        path: &Path,
        file: &SafeTensors<'_>,
        device: &Device,
    ) -> Result<Tensor> {
        let Self { model, name, shape } = self;
        let missing = |_| {
            let problem = format!("it has no tensor {name}, which model {model} needs");
            refused(path, problem)
        };
        let view = file.tensor(name).map_err(missing)?;
        if view.dtype() != Dtype::F32 || view.shape() != *shape {
            return Err(refused(
                path,
                format!(
                    "{name} is {:?} of shape {:?}, but model {model} needs F32 of shape {shape:?}",
                    view.dtype(),
                    view.shape(),
                ),
            ));
        }
        let tensor = Tensor::from_raw_buffer(view.data(), DType::F32, shape, device);
        Ok(tensor?)
    }
}

pub(crate) fn write(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    write_atomically(path, &serialize(path, tensors, metadata)?)
}

/// The bytes of a file; `path` is for errors.
pub(crate) fn serialize(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    // Candle writes the bytes of a tensor, and panics where another device does not hand them over.
    let on_cpu = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?)));
    let on_cpu: Vec<(&String, Tensor)> = on_cpu.collect::<Result<_>>()?;
    safetensors::serialize(on_cpu, metadata).map_err(|error| refused(path, error))
}
