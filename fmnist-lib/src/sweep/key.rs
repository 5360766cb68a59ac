//! What a run is called in the folder.

use serde_json::Value;

use super::settings::digest;

/// Characters of a trial's name in a file's name, which may have 255 in all.
const LONGEST: usize = 150;

/// The name of a run's files, and what they are found by.
pub(super) struct Key {
    /// Name of the trial, for people.
    name: String,
    pub(super) seed: u64,
    /// Digest of the settings.
    pub(super) digest: String,
}

impl Key {
    pub(super) fn new(trial: &str, seed: u64, settings: &Value) -> Self {
        Self {
            name: plain(trial),
            seed,
            digest: digest(settings),
        }
    }

    /// For a run that its settings do not tell from all others. Two trials of one sweep have two such
    /// keys, and no result is found by one.
    pub(super) fn passing(trial: &str, seed: u64, settings: &Value) -> Self {
        let named = Value::from(vec![Value::from(trial), settings.clone()]);
        Self {
            name: plain(trial),
            seed,
            digest: format!("without-key-{}", digest(&named)),
        }
    }

    /// The name of the run's files, without an extension.
    pub(super) fn stem(&self) -> String {
        format!("{}-seed{}-{}", self.name, self.seed, self.digest)
    }
}

/// `name` as a part of a file's name.
fn plain(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._".contains(c) {
            c
        } else {
            '-'
        }
    };
    name.chars().take(LONGEST).map(plain).collect()
}
