//! Which process works at a run, on whatever machines share the folder.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind::{AlreadyExists, NotFound};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(10);
/// After so long without a sign of life, a process on another machine counts as dead.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that nobody else has, until this is dropped.
///
/// A file says so, which one process alone can create: that is so on every file system, NFS among them. What it takes
/// to give up a file whose process has died depends on where that was:
///
/// - On this machine, the system tells: the process holds the lock of its file (`flock`), and loses it with its life.
/// - On another machine, nobody can tell whether locks reach as far. NFS may keep that of a dead node for ever, and
///   BeeGFS or Lustre, as they are often mounted, keep locks within a node. There, the file's text counts: a process
///   writes a new time into it every 10 seconds. One whose text has stayed the same for a minute is dead. The minute is
///   the reader's, by its own clock, and the time is never compared with that: clocks may differ.
///
/// A process that is only stopped for so long, as by a hanging disk, may find itself with a second one at the same run.
/// Both come to the same bits, and each file is replaced as a whole: this costs time, and no result.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    owner: Owner,
    /// Holds the system's lock, together with its copy.
    _file: File,
    heart: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What stands in the file, for people as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Owner {
    host: String,
    process: u32,
    /// Tells apart what one process has.
    number: u64,
    /// One start of one machine. Its containers share it, as they share its locks.
    machine: String,
    /// Whether the file is locked.
    locked: bool,
}

#[derive(Serialize, Deserialize)]
struct Text {
    #[serde(flatten)]
    owner: Owner,
    /// The last sign of life.
    alive: String,
}

impl Lock {
    /// Nothing where the file is there already.
    fn create(path: &Path) -> io::Result<Option<Self>> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        let (host, machine) = here();
        let owner = Owner {
            host,
            process: process::id(),
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            machine,
            locked: file.try_lock().is_ok(),
        };
        let written = beat(&mut file, &owner).and_then(|()| file.try_clone());
        let beating = match written {
            Ok(copy) => copy,
            Err(error) => {
                let _ = fs::remove_file(path);
                return Err(error);
            }
        };
        Ok(Some(Self {
            path: path.to_owned(),
            heart: Some(start_heart(beating, owner.clone())),
            owner,
            _file: file,
        }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((stop, heart)) = self.heart.take() {
            drop(stop);
            let _ = heart.join();
        }
        // Somebody may have taken this process for dead. What is left behind here does no harm.
        if read(&self.path).is_ok_and(|(_, text)| owner_in(&text).as_ref() == Some(&self.owner)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A beat that fails is no reason to end a training: the next one may not.
fn start_heart(mut file: File, owner: Owner) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = channel();
    let heart = thread::spawn(move || {
        while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            let _ = beat(&mut file, &owner);
        }
    });
    (stop, heart)
}

/// Of the same length each time, so that nothing of an older text is left.
fn beat(file: &mut File, owner: &Owner) -> io::Result<()> {
    let text = Text {
        owner: owner.clone(),
        alive: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
    };
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&text)?)
}

/// What this process knows of those that have the runs it wants.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The text of each file, and when it was first seen.
    seen: HashMap<PathBuf, (String, Instant)>,
}

impl Others {
    /// Takes what the file stands for, unless somebody else has it who lives as far as one knows `now`.
    pub(super) fn take(&mut self, path: &Path, now: Instant) -> Result<Option<Lock>> {
        loop {
            if let Some(lock) = Lock::create(path).map_err(Error::io("create", path))? {
                self.seen.remove(path);
                return Ok(Some(lock));
            }
            match self.dead(path, now) {
                Ok(Some(text)) => bury(path, &text).map_err(Error::io("remove", path))?,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == NotFound => {}
                Err(error) => return Err(Error::io("read", path)(error)),
            }
        }
    }

    /// The text of a file whose process has died.
    fn dead(&mut self, path: &Path, now: Instant) -> io::Result<Option<String>> {
        let (file, text) = read(path)?;
        if owner_in(&text).is_some_and(|owner| owner.locked && owner.machine == here().1) {
            // A shared lock asks for no right to write: the file may be another user's.
            match file.try_lock_shared() {
                Ok(()) => return Ok(Some(text)),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(_)) => {}
            }
        }
        let seen = (self.seen.entry(path.to_owned())).or_insert_with(|| (text.clone(), now));
        if seen.0 != text {
            *seen = (text, now);
            return Ok(None);
        }
        Ok((now.duration_since(seen.1) >= PATIENCE).then_some(text))
    }
}

/// Removes the file with this text. Others may be about to do so, and then to create it anew: it is moved out of
/// their way first, and goes back if it is not the one that was meant.
fn bury(path: &Path, text: &str) -> io::Result<()> {
    let moved = path.with_extension(format!("{}-{}.dead", here().0, process::id()));
    match fs::rename(path, &moved) {
        Err(error) if error.kind() == NotFound => return Ok(()),
        renamed => renamed?,
    }
    match read(&moved)?.1 == text {
        true => fs::remove_file(moved),
        false => fs::rename(moved, path),
    }
}

/// Opened anew each time, as NFS looks at the server then.
fn read(path: &Path) -> io::Result<(File, String)> {
    let mut file = File::open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok((file, String::from_utf8_lossy(&text).into_owned()))
}

fn owner_in(text: &str) -> Option<Owner> {
    let text: Text = serde_json::from_str(text).ok()?;
    Some(text.owner)
}

/// The name of this machine, and what tells it from all others.
fn here() -> (String, String) {
    #[cfg(unix)]
    let host = (rustix::system::uname().nodename().to_string_lossy()).into_owned();
    #[cfg(not(unix))]
    let host = std::env::var("COMPUTERNAME").unwrap_or_default();
    let started = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let machine = started.map_or_else(|_| host.clone(), |id| id.trim().to_owned());
    (host, machine)
}

#[cfg(test)]
mod tests;
