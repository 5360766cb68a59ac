//! Keras and PyTorch, each in a Python process that stays alive and answers over its pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fmnist_lib::Dataset;
use tempfile::TempDir;

use crate::memory::peak_of;
use crate::{BATCH, Result};

/// The training images in files that the peers read.
pub(crate) struct SharedData(TempDir);

impl SharedData {
    pub(crate) fn new(data: &Dataset) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("images"), data.images())?;
        std::fs::write(folder.path().join("labels"), data.labels())?;
        Ok(Self(folder))
    }
}

/// A running peer.
pub(crate) struct Python {
    /// With its version.
    pub(crate) name: String,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    complaints: File,
}

impl Python {
    /// Starts `script` of this folder's parent; fails with what Python said when it cannot run.
    pub(crate) fn start(
        python: &str,
        script: &str,
        data: &SharedData,
        threads: usize,
    ) -> Result<Self> {
        let complaints = tempfile::tempfile()?;
        let mut command = Command::new(python);
        command
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("benches")
                    .join(script),
            )
            .args([data.0.path().join("images"), data.0.path().join("labels")])
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone()?);
        for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, threads.to_string());
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("{python} cannot be started: {error}"))?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped")
        };
        let mut peer = Self {
            name: String::new(),
            child,
            commands,
            answers: BufReader::new(answers),
            complaints,
        };
        peer.name = peer.answer()?;
        Ok(peer)
    }

    /// Images per second over `steps` steps, in the peer's fastest setting.
    pub(crate) fn train(&mut self, network: &str, steps: usize) -> Result<f64> {
        self.ask("fastest", network, steps)
    }

    /// Peak memory in bytes after training in the peer's own default setting.
    pub(crate) fn peak_memory(&mut self, network: &str, steps: usize) -> Result<Option<u64>> {
        self.ask("plain", network, steps)?;
        Ok(peak_of(&self.child.id().to_string()))
    }

    fn ask(&mut self, setting: &str, network: &str, steps: usize) -> Result<f64> {
        writeln!(self.commands, "{setting} {network} {steps} {BATCH}")?;
        Ok(self.answer()?.parse()?)
    }

    /// The next line for us; libraries may print others.
    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.answers.read_line(&mut line)? == 0 {
                let mut text = Vec::new();
                self.complaints.rewind()?;
                self.complaints.read_to_end(&mut text)?;
                let text = String::from_utf8_lossy(&text);
                let last = text.lines().rfind(|line| !line.trim().is_empty());
                return Err(last.unwrap_or("it ended without a word").into());
            }
            if let Some(answer) = line.strip_prefix("> ") {
                return Ok(answer.trim().to_owned());
            }
        }
    }
}

impl Drop for Python {
    /// A peer that has crashed is gone already: then there is nothing to end.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
