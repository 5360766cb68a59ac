//! Other libraries, each in a process that stays alive and answers over its pipes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::ValueEnum;
use fmnist_lib::Dataset;
use tempfile::TempDir;

use crate::machine::has_bf16;
use crate::memory::peak_of;
use crate::{BATCH, Options, Result, burn};

/// What ours is compared with.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Peer {
    Keras,
    Torch,
    /// Compiled for it, which takes minutes
    Burn,
    /// Keras in mixed precision, where the processor has instructions for it
    KerasBf16,
    /// PyTorch in mixed precision, where the processor has instructions for it
    TorchBf16,
    Candle,
}

impl Peer {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Keras => "Keras",
            Self::Torch => "PyTorch",
            Self::Burn => "burn",
            Self::KerasBf16 => "Keras bf16",
            Self::TorchBf16 => "PyTorch bf16",
            Self::Candle => "stock Candle",
        }
    }

    pub(crate) fn is_bf16(self) -> bool {
        matches!(self, Self::KerasBf16 | Self::TorchBf16)
    }

    /// Without the instructions it would run, and show nothing but that.
    pub(crate) fn lacks_instructions(self) -> bool {
        self.is_bf16() && !has_bf16()
    }

    /// Starts it; fails with what it said when it cannot run.
    pub(crate) fn start(self, options: &Options, data: &SharedData) -> Result<Process> {
        if self.lacks_instructions() {
            return Err("this processor has no instructions for bf16".into());
        }
        let script = match self {
            Self::Burn => {
                return Process::start(Command::new(burn::compile()?), data, options, &[]);
            }
            Self::Keras | Self::KerasBf16 => "peer_keras.py",
            Self::Torch | Self::TorchBf16 => "peer_torch.py",
            Self::Candle => return Err("it has no process of its own".into()),
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
        let mut python = Command::new(options.python());
        python.arg(folder.join(script));
        let precision: &[_] = if self.is_bf16() { &["bf16"] } else { &[] };
        Process::start(python, data, options, precision)
    }
}

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
pub(crate) struct Process {
    /// With its version.
    pub(crate) name: String,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    complaints: File,
}

impl Process {
    fn start(
        mut command: Command,
        data: &SharedData,
        options: &Options,
        more: &[&str],
    ) -> Result<Self> {
        let complaints = tempfile::tempfile()?;
        let threads = options.threads().to_string();
        command
            .args([data.0.path().join("images"), data.0.path().join("labels")])
            .arg(&threads)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone()?);
        for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, &threads);
        }
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            format!("{program} cannot be started: {error}")
        })?;
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

    /// Images per second over `steps` steps, in the peer's fastest setting; `None` if it has no such network.
    pub(crate) fn train(&mut self, network: &str, steps: usize) -> Result<Option<f64>> {
        self.ask("fastest", network, steps)
    }

    /// How many parameters the peer's own `network` has.
    pub(crate) fn parameters(&mut self, network: &str) -> Result<Option<usize>> {
        Ok(self.ask("parameters", network, 0)?.map(|it| it as usize))
    }

    /// Peak memory in bytes after training in the peer's own default setting.
    pub(crate) fn peak_memory(&mut self, network: &str, steps: usize) -> Result<Option<u64>> {
        let speed = self.ask("plain", network, steps)?;
        Ok(speed.and_then(|_| peak_of(&self.child.id().to_string())))
    }

    fn ask(&mut self, question: &str, network: &str, steps: usize) -> Result<Option<f64>> {
        writeln!(self.commands, "{question} {network} {steps} {BATCH}")?;
        match self.answer()?.as_str() {
            "-" => Ok(None),
            number => Ok(Some(number.parse()?)),
        }
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

impl Drop for Process {
    /// A peer that has crashed is gone already: then there is nothing to end.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
