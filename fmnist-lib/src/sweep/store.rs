//! A folder of results that several processes may share.

use std::fs::{File, TryLockError, create_dir_all, remove_file};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::results::Measured;
use crate::files::write_atomically;
use crate::{Error, Result};

/// What tells one run from all others: its name, for people, and a digest of all its settings.
pub(super) struct Key {
    stem: String,
    settings: Value,
}

impl Key {
    pub(super) fn new(name: &str, seed: u64, settings: &Value) -> Self {
        let digest = format!("{:x}", Sha256::digest(settings.to_string()));
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "._".contains(c) {
                c
            } else {
                '-'
            }
        };
        let name: String = name.chars().map(plain).collect();
        Self {
            stem: format!("{name}-seed{seed}-{}", &digest[..12]),
            settings: settings.clone(),
        }
    }
}

/// The content of a result's file.
#[derive(Serialize, Deserialize)]
struct Record {
    /// For whoever reads the file; its digest is in the file's name.
    settings: Value,
    #[serde(flatten)]
    measured: Measured,
}

pub(super) enum Claim {
    /// Somebody has run it.
    Done(Box<Measured>),
    /// Somebody is running it.
    Taken,
    /// It is ours to run for as long as this file is open.
    Ours(#[allow(dead_code, reason = "it is the lock")] File),
}

pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        create_dir_all(folder).map_err(Error::io("create", folder))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, key: &Key, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", key.stem))
    }

    pub(super) fn checkpoint(&self, key: &Key) -> PathBuf {
        self.path(key, "safetensors")
    }

    /// A lock that the system drops with the process which holds it: a run that was killed is free
    /// for the next one.
    pub(super) fn claim(&self, key: &Key) -> Result<Claim> {
        if let Some(run) = self.find(key)? {
            return Ok(Claim::Done(run));
        }
        let path = self.path(key, "lock");
        let lock = File::create(&path).map_err(Error::io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Claim::Taken),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        // Whoever held the lock before may have finished just now.
        Ok(match self.find(key)? {
            Some(run) => Claim::Done(run),
            None => Claim::Ours(lock),
        })
    }

    fn find(&self, key: &Key) -> Result<Option<Box<Measured>>> {
        let path = self.path(key, "json");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) => Ok(Some(Box::new(record.measured))),
            Err(error) => Err(Error::Data {
                origin: path.display().to_string(),
                problem: format!(
                    "not the result of a run ({error}); delete it, and the run is done again"
                ),
            }),
        }
    }

    pub(super) fn save(&self, key: &Key, measured: &Measured, keep_model: bool) -> Result<()> {
        let record = Record {
            settings: key.settings.clone(),
            measured: measured.clone(),
        };
        let json = serde_json::to_vec(&record).map_err(|error| {
            Error::Invalid(format!("cannot write run {} as JSON: {error}", key.stem))
        })?;
        write_atomically(&self.path(key, "json"), &json)?;
        // What is left behind here does no harm.
        if !keep_model {
            let _ = remove_file(self.checkpoint(key));
        }
        let _ = remove_file(self.path(key, "lock"));
        Ok(())
    }
}
