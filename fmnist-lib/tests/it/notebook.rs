//! Notebooks written, run and read by the tests.
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fs, process::Command};

/// The folder of the notebooks, and of `start.sh`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../notebooks")
        .canonicalize()
        .unwrap()
}

/// What a run of `start.sh` gave.
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) stderr: String,
}

/// Runs `start.sh ARGUMENTS PATHS` with the kernels in the folder of the notebooks.
pub(crate) fn start_sh(arguments: &[&str], paths: &[PathBuf]) -> Outcome {
    start_sh_in(&folder(), arguments, paths)
}

/// Runs `start.sh ARGUMENTS PATHS` with the kernels in `folder`.
pub(crate) fn start_sh_in(folder: &Path, arguments: &[&str], paths: &[PathBuf]) -> Outcome {
    set_up();
    let output = Command::new(self::folder().join("start.sh"))
        .args(arguments)
        .args(["--cell-timeout", "1800", "--cwd"])
        .arg(folder)
        .args(paths)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Outcome {
        succeeded: output.status.success(),
        stderr,
    }
}

/// Sets up JupyterLab and the kernel, where that has not been done yet. What it says goes past the test harness,
/// which keeps what a test prints: whoever waits for minutes wants to know for what.
pub(crate) fn set_up() {
    static SET_UP: LazyLock<bool> = LazyLock::new(|| {
        let python = Command::new("python3").arg("--version").output();
        assert!(
            python.is_ok(),
            "the notebook tests need python3 on the PATH: apt-get install python3 python3-venv"
        );
        let mut setup = Command::new(folder().join("start.sh"));
        setup.arg("setup").status().unwrap().success()
    });
    assert!(
        *SET_UP,
        "the notebooks could not be set up: start.sh says why, above"
    );
}

/// Runs the Python tests in `tests/FOLDER` in the notebooks' own environment.
pub(crate) fn python_tests(tests: &str) {
    set_up();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(tests);
    let output = Command::new(folder().join("start.sh"))
        .args(["python", "-m", "unittest", "discover", "--start-directory"])
        .arg(tests)
        .env("PYTHONPATH", folder().join("kernel"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}");
    assert!(!report.contains("\nRan 0 tests"), "{report}");
}

/// A notebook in Jupyter's format 4.5.
pub(crate) struct Notebook(Value);

impl Notebook {
    /// A notebook of code cells without outputs.
    pub(crate) fn new(cells: &[&str]) -> Self {
        let cell = |(id, source): (usize, &&str)| {
            json!({ "cell_type": "code", "id": format!("cell-{id}"), "metadata": {},
                    "execution_count": null, "outputs": [], "source": source })
        };
        let cells: Vec<Value> = cells.iter().enumerate().map(cell).collect();
        let kernel =
            json!({ "kernelspec": { "name": "rust", "display_name": "Rust", "language": "rust" } });
        Self(json!({ "nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells }))
    }

    /// With a tag on one of its cells, counted from 0.
    pub(crate) fn tagged(mut self, cell: usize, tag: &str) -> Self {
        self.0["cells"][cell]["metadata"] = json!({ "tags": [tag] });
        self
    }

    pub(crate) fn read(path: &Path) -> Self {
        Self(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    }

    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, self.0.to_string()).unwrap();
    }

    /// What a cell, counted from 0, wrote to standard output.
    pub(crate) fn printed_by(&self, cell: usize) -> String {
        let outputs = self.0["cells"][cell]["outputs"].as_array().unwrap();
        let streams = outputs.iter().filter(|output| output["name"] == "stdout");
        streams.map(|output| text(&output["text"])).collect()
    }

    /// The only number in what a cell printed.
    pub(crate) fn number_printed_by(&self, cell: usize) -> u64 {
        let printed = self.printed_by(cell);
        let digits: String = printed.chars().filter(char::is_ascii_digit).collect();
        digits
            .parse()
            .unwrap_or_else(|_| panic!("cell {cell} printed {printed:?}, no number"))
    }
}

/// A multi-line string, which Jupyter stores as a string or as a list of lines.
fn text(value: &Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().map(text).collect(),
        line => line.as_str().unwrap().to_owned(),
    }
}
