//! The last place where Fashion-MNIST is looked for: the web.
//!
//! That is the work of a program, `fmnist-download`, in the folder `download` of this package. Behind it
//! stand hundreds of packages, which only those compile who need it: it is compiled when it is
//! started for the first time.

mod compile;
mod process;
mod program;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::thread;

use self::process::Outcome;
use self::program::Search;
use super::{FashionMnist, TrainTest};
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;

/// Has Fashion-MNIST downloaded, and kept in the folder `cache` where that can be written to.
pub(super) fn download(cache: Option<&Path>) -> Result<TrainTest> {
    let stop = Interruptible::begin();
    let cache = match cache.map(|folder| (folder, fs::create_dir_all(folder))) {
        Some((folder, Ok(()))) => Ok(folder),
        Some((folder, Err(error))) => Err(Error::io("create", folder)(error).to_string()),
        None => Err("there is no folder for caches: set HOME, or XDG_CACHE_HOME".to_owned()),
    };
    let turn = match cache {
        Ok(folder) => take_turn(folder, &stop)?,
        Err(_) => Turn::Alone,
    };
    if let (Ok(folder), Turn::AfterOther(_)) = (&cache, &turn)
        && let Ok(data) = FashionMnist::load_from(folder)
    {
        return Ok(data);
    }
    let program = match program::find(cache.as_deref().ok(), &stop)? {
        Search::Found(program) => program,
        Search::Failed(tried) => {
            let compiled = match &cache {
                Ok(folder) => compile::compile(folder, &stop),
                Err(problem) => Err(Error::Data {
                    origin: "compiling it".to_owned(),
                    problem: problem.clone(),
                }),
            };
            compiled.map_err(|error| match error {
                Error::Interrupted => error,
                error => Error::Data {
                    origin: format!("{}, the program for the download", program::NAME),
                    problem: format!("{tried}; {error}"),
                },
            })?
        }
    };
    match cache {
        Ok(folder) => start(&program, folder, &stop),
        Err(problem) => {
            let folder = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
            let data = start(&program, folder.path(), &stop)?;
            tell(format_args!(
                "Fashion-MNIST will have to be downloaded again: {problem}"
            ));
            Ok(data)
        }
    }
}

/// Runs the program, and reads what it has left in `folder`.
fn start(program: &Path, folder: &Path, stop: &Interruptible) -> Result<TrainTest> {
    let mut command = Command::new(program);
    command.arg("--child").arg(folder);
    let Outcome { status, said } = process::run(&mut command, None, stop)?;
    let refuse = |problem: String| Error::Data {
        origin: program.display().to_string(),
        problem,
    };
    if !status.success() {
        return Err(refuse(match said.trim() {
            "" => format!("it failed, and did not say why ({status})"),
            reason => reason.to_owned(),
        }));
    }
    FashionMnist::load_from(folder)
        .map_err(|error| refuse(format!("what it has written cannot be used: {error}")))
}

/// That no other process compiles the program, or downloads, at the same time.
enum Turn {
    /// Nobody else did.
    First(#[expect(dead_code, reason = "the system unlocks it with the last handle")] File),
    /// Somebody else did, and has finished.
    AfterOther(#[expect(dead_code, reason = "as above")] File),
    /// There can be no lock: two that do the same thing at once only do it twice.
    Alone,
}

fn take_turn(folder: &Path, stop: &Interruptible) -> Result<Turn> {
    let Ok(file) = File::create(folder.join("download.lock")) else {
        return Ok(Turn::Alone);
    };
    let mut waited = false;
    loop {
        match file.try_lock() {
            Ok(()) if waited => return Ok(Turn::AfterOther(file)),
            Ok(()) => return Ok(Turn::First(file)),
            Err(TryLockError::Error(_)) => return Ok(Turn::Alone),
            Err(TryLockError::WouldBlock) if stop.requested() => return Err(Error::Interrupted),
            Err(TryLockError::WouldBlock) => {}
        }
        if !waited {
            waited = true;
            tell(format_args!(
                "Waiting for another process that is downloading Fashion-MNIST"
            ));
        }
        thread::sleep(process::PAUSE);
    }
}

/// Where nobody reads, a message is lost, and nothing else.
fn tell(message: std::fmt::Arguments) {
    let _ = writeln!(io::stderr(), "{message}");
}
