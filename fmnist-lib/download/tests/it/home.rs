//! A home without any cache, in which the program runs.
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The program, as yet without arguments.
    pub(crate) fn command(&self, endpoint: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmnist-download"));
        self.surround(&mut command, endpoint);
        command
    }

    /// Leaves a command no other caches, and no other server.
    pub(crate) fn surround(&self, command: &mut Command, endpoint: &str) {
        command
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HOME", self.0.path().join("huggingface"))
            .env("HOME", self.0.path())
            .env("XDG_CACHE_HOME", self.0.path().join("cache"))
            .env("NO_PROXY", "*")
            .env_remove("HF_HUB_CACHE")
            .env_remove("HUGGINGFACE_HUB_CACHE")
            .env_remove("FMNIST_DATA_DIR");
    }

    /// "done", or the reason why not.
    pub(crate) fn run(&self, arguments: &[&str], endpoint: &str) -> String {
        let mut child = self
            .command(endpoint)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Kept open until the program has ended.
        let input = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(input);
        let said = String::from_utf8(output.stdout).unwrap();
        match output.status.code() {
            Some(0) => {
                assert_eq!(said, "");
                "done".to_owned()
            }
            Some(1) => said.trim_end().to_owned(),
            _ => panic!("{}: {said}", output.status),
        }
    }

    pub(crate) fn download(&self, endpoint: &str) -> String {
        self.run(&["--child", self.folder().to_str().unwrap()], endpoint)
    }

    /// The folder that the library would name.
    pub(crate) fn folder(&self) -> PathBuf {
        if cfg!(target_os = "macos") {
            return self.0.path().join("Library/Caches/fmnist-lib");
        }
        self.0.path().join("cache/fmnist-lib")
    }

    /// Every file of more than a few bytes, in all caches.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder(), self.0.path().join("huggingface")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.metadata().unwrap().len() > 40 {
                    files.push(entry.path()); // longer than a commit's name
                }
            }
        }
        files
    }
}
