//! What the file of a checkpoint holds besides tensors: JSON in the metadata of safetensors.

use std::path::Path;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{ModelSpec, RunPlan};
use crate::data::Scaling;
use crate::error::Result;
use crate::history::{Ended, EpochSoFar, History};
use crate::support::tensors::{parse, refused};

/// Of a file that the version before cannot read. It would train the part of an epoch again that
/// [`Metadata::epoch_so_far`] tells of, and layers that are [`Metadata::frozen`]; and it knows nothing of shards.
pub(super) const VERSION: u32 = 2;
/// Of any other file.
pub(super) const FIRST_VERSION: u32 = 1;
pub(super) const METADATA: &str = "fmnist-lib";

#[derive(Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) version: u32,
    /// `None` where a layer of the user's own is part of the network.
    pub(super) spec: Option<ModelSpec>,
    #[serde(default)]
    pub(super) scaling: Option<Scaling>,
    #[serde(rename = "adam_steps")]
    pub(super) steps: usize,
    /// What the optimiser keeps; `None` in files of before there was a choice.
    #[serde(default)]
    pub(super) state: Option<Vec<String>>,
    pub(super) history: History,
    pub(super) run: Option<RunPlan>,
    #[serde(default)]
    pub(super) epoch_so_far: Option<EpochSoFar>,
    #[serde(default)]
    pub(super) ended: Option<Ended>,
    /// Names of layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) frozen: Vec<String>,
}

pub(super) fn metadata(path: &Path, bytes: &[u8]) -> Result<Metadata> {
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
    if !(FIRST_VERSION..=VERSION).contains(&version) {
        return Err(refused(
            path,
            format!(
                "it has format {version}, this version of fmnist-lib reads formats {FIRST_VERSION} \
                 to {VERSION}"
            ),
        ));
    }
    serde_json::from_str(json).map_err(unreadable)
}
