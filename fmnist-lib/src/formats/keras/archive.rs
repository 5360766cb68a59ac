//! What lies where in each kind of file.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::refused;
use super::weights::StoredWeights;
use crate::error::{Error, Result};
use crate::support::files::open;

const CONFIG: &str = "config.json";
const METADATA: &str = "metadata.json";
const WEIGHTS: &str = "model.weights.h5";

/// The version whose files the tests compare with.
const KERAS_VERSION: &str = "3.15.1";

const ZIP: &[u8] = b"PK";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
const SIGNATURE: u64 = HDF5.len() as u64;

fn is_keras(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(HDF5)
}

/// A file of Keras.
pub(super) struct Archive {
    /// The network, as Keras describes it; not in a file of weights alone.
    config: Option<Vec<u8>>,
    pub(super) weights: StoredWeights,
}

impl Archive {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut file = open(path)?;
        let failed = Error::io("read", path);
        let mut bytes = Vec::new();
        // What is no such file may be large.
        let begun = Read::by_ref(&mut file)
            .take(SIGNATURE)
            .read_to_end(&mut bytes);
        let whole = match is_keras(&bytes) {
            true => begun.and_then(|_| file.read_to_end(&mut bytes)),
            false => begun,
        };
        whole.map_err(failed)?;
        Self::parse(bytes).map_err(refused(path))
    }

    fn parse(bytes: Vec<u8>) -> Result<Self> {
        match () {
            // Keras 3's `.keras`.
            () if bytes.starts_with(ZIP) => Ok(Self {
                config: Some(part(&bytes, CONFIG)?),
                weights: StoredWeights::open(part(&bytes, WEIGHTS)?)?,
            }),
            // `.weights.h5`, or the `.h5` of Keras 2.
            () if bytes.starts_with(HDF5) => {
                let weights = StoredWeights::open(bytes)?;
                Ok(Self {
                    config: weights.model_config()?.map(String::into_bytes),
                    weights,
                })
            }
            () => Err(Error::Invalid(
                "this is neither a .keras nor an .h5 file of Keras".into(),
            )),
        }
    }

    pub(super) fn config(&self) -> Result<Value> {
        let config = self.config.as_ref().ok_or_else(|| {
            Error::Invalid(
                "it holds weights alone: build the model from its ModelSpec, then call load_keras_weights"
                    .into(),
            )
        })?;
        serde_json::from_slice(config).map_err(|error| {
            Error::Invalid(format!(
                "its description of the network cannot be read ({error})"
            ))
        })
    }
}

fn part(archive: &[u8], name: &str) -> Result<Vec<u8>> {
    let damaged = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!(
            "it is damaged, or no file of Keras: {name} cannot be read ({error}); save it anew"
        ))
    };
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(|error| damaged(&error))?;
    let mut part = archive.by_name(name).map_err(|error| damaged(&error))?;
    let mut bytes = Vec::new();
    part.read_to_end(&mut bytes)
        .map_err(|error| damaged(&error))?;
    Ok(bytes)
}

/// A `.keras` file.
pub(super) fn write(config: &Value, weights: Vec<u8>) -> Result<Vec<u8>> {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let metadata = json!({ "keras_version": KERAS_VERSION, "date_saved": now.replace('T', "@") });
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // As Keras does: it reads the weights in place.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let parts = [
        (METADATA, metadata.to_string().into_bytes()),
        (CONFIG, config.to_string().into_bytes()),
        (WEIGHTS, weights),
    ];
    let failed = |error: &dyn std::fmt::Display| {
        Error::Invalid(format!("the archive cannot be made ({error})"))
    };
    for (name, bytes) in parts {
        archive
            .start_file(name, stored)
            .map_err(|error| failed(&error))?;
        archive.write_all(&bytes).map_err(|error| failed(&error))?;
    }
    Ok(archive
        .finish()
        .map_err(|error| failed(&error))?
        .into_inner())
}
