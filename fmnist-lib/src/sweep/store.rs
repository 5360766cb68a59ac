//! A folder of results that several processes may share.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::read_dir;
use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::key::Key;
use super::lock::{Lock, Others};
use super::record::{FORMAT, Record};
use super::settings::{complete, digest};
use crate::error::{Error, Result};
use crate::support::files::{create_folder, write_atomically};

pub(super) struct Store {
    folder: PathBuf,
    /// For each file that has been looked at, the digest of the settings in it.
    known: BTreeMap<PathBuf, Option<String>>,
    others: Others,
}

impl Store {
    /// # Errors
    /// When there are results that an earlier version wrote in another form: to pass them over would
    /// be to run them again without a word.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        create_folder(folder).map_err(Error::io("create", folder))?;
        let mut store = Self {
            folder: folder.to_owned(),
            known: BTreeMap::new(),
            others: Others::default(),
        };
        let old = store.look()?;
        let Some(first) = old.first() else {
            return Ok(store);
        };
        Err(Error::Data {
            origin: folder.display().to_string(),
            problem: format!(
                "{} of the results here, the first of them {}, were written by an early version of \
                 fmnist-lib. Nothing was changed. Convert them, by \
                 `convert_results({folder:?}, &data, &Origin::default())?` or by `cargo run --release \
                 --example convert_results -- {}`; or move them to another folder, and their runs are \
                 done again",
                old.len(),
                first.display(),
                folder.display()
            ),
        })
    }

    /// Takes note of files that are new in the folder; returns those of the old form.
    pub(super) fn look(&mut self) -> Result<Vec<PathBuf>> {
        let mut old = Vec::new();
        for path in files(&self.folder, "json")? {
            if self.known.contains_key(&path) {
                continue;
            }
            // What cannot be read is no harm unless it is wanted.
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = match serde_json::from_slice::<Head>(&bytes) {
                Ok(Head {
                    format: Some(_),
                    settings: Some(settings),
                    ..
                }) => Some(digest(&complete(settings))),
                Ok(Head {
                    format: None,
                    settings: Some(_),
                    run: Some(_),
                }) => {
                    old.push(path);
                    continue;
                }
                // A damaged result is found by the digest in its name, and then refused.
                _ => (path.file_stem().and_then(OsStr::to_str))
                    .and_then(|stem| stem.rsplit('-').next())
                    .map(str::to_owned),
            };
            self.known.insert(path, found);
        }
        Ok(old)
    }

    /// The result of a run, if it lies here, and its file.
    pub(super) fn find(&self, key: &Key) -> Result<Option<(PathBuf, Record)>> {
        let own = self.own(key);
        if let Some(record) = read(&own, key)? {
            return Ok(Some((own, record)));
        }
        let same = |known: &&Option<String>| known.as_ref() == Some(&key.digest);
        let mut elsewhere = self.known.iter().filter(|(_, known)| same(known));
        match elsewhere.next() {
            Some((path, _)) => Ok(read(path, key)?.map(|record| (path.clone(), record))),
            None => Ok(None),
        }
    }

    /// Where the result of a run goes under the present name of its trial.
    pub(super) fn own(&self, key: &Key) -> PathBuf {
        self.folder.join(key.stem() + ".json")
    }

    /// Where the result of a run goes, and beside it, as `.safetensors`, its checkpoint and model. A
    /// run that was begun under another name of its trial keeps that name.
    pub(super) fn place(&self, key: &Key) -> Result<PathBuf> {
        if let Some((path, _)) = self.find(key)? {
            return Ok(path);
        }
        let own = self.own(key);
        if own.with_extension("safetensors").exists() {
            return Ok(own);
        }
        let end = format!("-seed{}-{}", key.seed, key.digest);
        let begun = |path: &PathBuf| {
            let stem = path.file_stem().and_then(OsStr::to_str);
            stem.is_some_and(|stem| stem.ends_with(&end))
        };
        let begun = files(&self.folder, "safetensors")?.into_iter().find(begun);
        Ok(begun.map_or(own, |path| path.with_extension("json")))
    }

    /// Takes a run, unless somebody else has it.
    pub(super) fn lock(&mut self, key: &Key) -> Result<Option<Lock>> {
        // Without the trial's name: under another name it is the same run.
        let path = (self.folder).join(format!("seed{}-{}.lock", key.seed, key.digest));
        self.others.take(&path, Instant::now())
    }
}

/// What tells a result from other files, and a new result from an old one.
#[derive(Deserialize)]
struct Head {
    format: Option<u32>,
    settings: Option<Value>,
    run: Option<IgnoredAny>,
}

/// Files of a folder, in the order of their names.
pub(super) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let paths = read_dir(folder)?.map(|entry| Ok(entry?.path()));
        paths.collect()
    };
    let mut files = read().map_err(Error::io("read", folder))?;
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}

fn read(path: &Path, key: &Key) -> Result<Option<Record>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let refuse = |problem: String| {
        Err(Error::Data {
            origin: path.display().to_string(),
            problem,
        })
    };
    if let Ok(Head {
        format: Some(format),
        ..
    }) = serde_json::from_slice(&bytes)
        && format > FORMAT
    {
        return refuse(format!(
            "it has format {format}, this version of fmnist-lib reads format {FORMAT}: use the version \
             that wrote it, or another folder"
        ));
    }
    let record: Record = match serde_json::from_slice(&bytes) {
        Ok(record) => record,
        Err(error) => {
            return refuse(format!(
                "not the result of a run ({error}); delete it, and the run is done again"
            ));
        }
    };
    if digest(&complete(record.settings.clone())) != key.digest {
        return refuse(
            "it holds the result of other settings than its name says; rename it or move it away"
                .to_owned(),
        );
    }
    Ok(Some(record))
}

/// Writes a result so that other processes see it whole or not at all.
pub(super) fn write(path: &Path, record: &Record) -> Result<()> {
    let json = serde_json::to_vec(record).map_err(|error| {
        Error::Invalid(format!("cannot write {} as JSON: {error}", path.display()))
    })?;
    write_atomically(path, &json)
}
