//! Files for other programs, and what these programs make of them: `cargo test --release -- --skip interop` leaves all of it out.

/// Keras.
mod keras;
/// ONNX Runtime.
mod onnx;
/// TensorBoard.
mod tensorboard;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `tests/interop/SCRIPT ARGUMENTS` by a Python that has the packages of `tests/interop/ENVIRONMENT.txt`.
pub(crate) fn run(environment: &str, script: &str, arguments: &[&OsStr]) {
    let mut command = Command::new(python(environment));
    command
        .arg(folder().join(script))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    print!("{}", succeed(command));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// The Python of a virtual environment below `target`. It is made where there is none, and anew where the requirements or
/// the machine's Python have changed; whoever comes meanwhile waits.
fn python(environment: &str) -> PathBuf {
    let requirements = folder().join(format!("{environment}.txt"));
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
    let own = all.join(environment);
    fs::create_dir_all(&all).unwrap();
    let lock = File::create(all.join(format!("{environment}.lock"))).unwrap();
    lock.lock().unwrap();

    let mut version = Command::new("python3");
    version.args(["-c", "import sys; print(sys.executable, sys.version)"]);
    let made_of = fs::read_to_string(&requirements).unwrap() + &succeed(version);
    let (stamp, python) = (own.join("made-of"), own.join("bin/python"));
    if !fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == made_of) {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&own);
        succeed(venv);
        let mut install = Command::new(&python);
        install
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(&requirements);
        succeed(install);
        fs::write(&stamp, made_of).unwrap();
    }
    python
}

/// What a command prints.
fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{command:?}: {error}; these tests need python3: apt-get install python3 python3-venv"
        )
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}
