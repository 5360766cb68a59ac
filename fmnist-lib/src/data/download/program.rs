//! Where the program for the download is, and whether it is the one that belongs to this library.

use std::env::{self, consts::EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process;
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;

/// What the program is called; its file may have `.exe` behind it.
pub(super) const NAME: &str = "fmnist-download";
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a search for the program has come to.
pub(super) enum Search {
    Found(PathBuf),
    /// Each place, with what is wrong with it.
    Failed(String),
}

/// Looks beside the running program, in `cache` and in the folders of `PATH`.
///
/// # Errors
/// When the signal to stop comes.
pub(super) fn find(cache: Option<&Path>, stop: &Interruptible) -> Result<Search> {
    let beside = env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent).map(file_in);
    let cached = cache.map(in_cache);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| file_in(&folder))
        .find(|file| file.is_file());

    let mut tried = Vec::new();
    for file in [beside, cached, on_path.clone()].into_iter().flatten() {
        if !file.exists() {
            tried.push(format!("{} is not there", file.display()));
            continue;
        }
        match check(&file, stop) {
            Ok(()) => return Ok(Search::Found(file)),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(problem) => tried.push(problem.to_string()),
        }
    }
    if on_path.is_none() {
        tried.push("no folder of PATH has it".to_owned());
    }
    Ok(Search::Failed(tried.join("; ")))
}

/// Where the program is once it has been compiled.
pub(super) fn in_cache(cache: &Path) -> PathBuf {
    file_in(&cache.join("bin"))
}

fn file_in(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}{EXE_SUFFIX}"))
}

/// Whether `file` is the program that this library was written with: another may write other files.
///
/// # Errors
/// When it is not, or the signal to stop comes.
pub(super) fn check(file: &Path, stop: &Interruptible) -> Result<()> {
    let outcome = process::run(Command::new(file).arg("--version"), Some(PATIENCE), stop)?;
    let needed = concat!("fmnist-download ", env!("CARGO_PKG_VERSION"));
    if outcome.status.success() && outcome.said.trim() == needed {
        return Ok(());
    }
    let line = outcome.said.lines().next().unwrap_or_default();
    let said: String = line.chars().take(60).collect();
    Err(Error::Data {
        origin: file.display().to_string(),
        problem: format!("passed over, as it calls itself {said:?} and not {needed:?}"),
    })
}
