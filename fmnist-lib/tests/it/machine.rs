//! Machines on which little is installed: shell scripts stand for the program for the download, and for Cargo.
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use crate::dataset::write_files;
use crate::home::Home;

/// What the program calls itself.
pub(crate) const VERSION: &str = concat!("fmnist-download ", env!("CARGO_PKG_VERSION"));
/// What a program does that never ends.
pub(crate) const HANG: &str = "/bin/sleep 1000 & echo >$HOME/hangs; wait";

/// A home whose `PATH` leads to one folder.
pub(crate) struct Machine(pub(crate) Home);

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self(Home::new());
        fs::create_dir(machine.path()).unwrap();
        machine
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.0.path().join("path")
    }

    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.0.0.path().join(name)).unwrap_or_default()
    }

    /// What a program does that needs no server.
    pub(crate) fn copies(&self) -> String {
        let files = self.0.0.path().join("files");
        fs::create_dir(&files).unwrap();
        write_files(&files);
        format!("/bin/cp {}/* \"$2\"", files.display())
    }

    /// The process, which has nothing but what was put on its `PATH`.
    pub(crate) fn command(&self, report: &str) -> Command {
        let mut command = self.0.command("download", report);
        command.env("PATH", self.path());
        command
    }

    /// What the process reports, and what it tells its user.
    pub(crate) fn download(&self) -> (String, String) {
        let output = self.command("report").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        (self.0.report("report"), told)
    }

    /// Starts the process, and waits until whatever it starts hangs.
    pub(crate) fn hang(&self) -> Child {
        let child = self.command("report").stderr(Stdio::piped()).spawn();
        let started = Instant::now();
        while self.file("hangs").is_empty() {
            assert!(started.elapsed() < Duration::from_secs(60), "nothing hangs");
            thread::sleep(Duration::from_millis(20));
        }
        child.unwrap()
    }
}

/// Waits until the process has ended, and all that it has started: each writes to its standard error.
pub(crate) fn wait_for_the_end(mut child: Child) {
    let mut told = child.stderr.take().unwrap();
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(io::copy(&mut told, &mut io::sink())));
    let ended = ended.recv_timeout(Duration::from_secs(30));
    assert!(ended.is_ok(), "what it has started still runs");
    assert!(child.wait().unwrap().success());
}

/// What a terminal sends for Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    let mut kill = Command::new("sh");
    kill.args(["-c", &format!("kill -INT {}", child.id())]);
    assert!(kill.status().unwrap().success());
}

pub(crate) fn script(folder: &Path, name: &str, body: &str) {
    fs::create_dir_all(folder).unwrap();
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A program of a version, which does `body` in the place of a download; $2 is the folder.
pub(crate) fn program(folder: &Path, version: &str, body: &str) {
    let body = format!(
        "[ \"$1\" != --version ] || {{ echo {version}; exit; }}\necho start >>$HOME/starts\n{body}"
    );
    script(folder, "fmnist-download", &body);
}

/// A Cargo that installs such a program.
pub(crate) fn cargo(machine: &Machine, version: &str, body: &str) {
    let made = machine.0.0.path().join("made");
    program(&made, version, body);
    let body = format!(
        "echo \"$@\" >>$HOME/cargo\nwhile [ \"$1\" != --root ]; do shift; done\n\
         /bin/mkdir -p \"$2/bin\"; /bin/sleep 1; /bin/cp {}/* \"$2/bin\"",
        made.display()
    );
    script(&machine.path(), "cargo", &body);
}
