//! The whole road: a program of the library on a machine that has no data, Cargo, the program for the
//! download, a server.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::data::{SYSTEM, read, real};
use crate::files::{TEST, TRAIN};
use crate::home::Home;
use crate::hub::Hub;

#[test]
fn the_library_compiles_and_starts_it_once() {
    let program = library_program();
    let hub = Hub::new(TEST.clone(), TRAIN.clone());
    let home = Home::new();
    // Where Debian's package is installed, `FashionMnist::load()` finds that.
    let first: &[&str] = if Path::new(SYSTEM).exists() {
        &["--download"]
    } else {
        &[]
    };
    let told = run(&home, &program, first, &hub.endpoint());
    for part in [
        "Compiling the program that downloads it into",
        "Downloading Fashion-MNIST (36 MB) from http://127.0.0.1:",
        "Fashion-MNIST is now in",
    ] {
        assert!(told.contains(part), "{part:?} is missing in: {told}");
    }
    assert!(home.folder().join("bin/fmnist-download").exists());
    assert!(read(&home.folder()) == *real());

    // The files are there now: nothing is started, nobody is asked.
    drop(hub);
    fs::remove_dir_all(home.folder().join("bin")).unwrap();
    fs::remove_dir_all(home.0.path().join("huggingface")).unwrap();
    assert_eq!(run(&home, &program, &[], "http://127.0.0.1:1"), "");
}

/// The folder in which Cargo compiles this test.
fn target() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_fmnist-download"));
    program.ancestors().nth(2).unwrap().to_owned()
}

/// The library's example `data`, compiled where the library's own tests are.
fn library_program() -> PathBuf {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--example",
        "data",
    ]);
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.env("CARGO_TARGET_DIR", target());
    assert!(cargo.status().unwrap().success());
    target().join("release/examples/data")
}

/// Runs it on a machine that has only Cargo, and the crates that Cargo has downloaded and compiled for this
/// test. Returns what it has told its user.
fn run(home: &Home, program: &Path, arguments: &[&str], endpoint: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("CARGO_TARGET_DIR", target());
    home.surround(&mut command, endpoint);
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let theirs = env::var_os(name).or(env::home_dir().map(|home| home.join(folder).into()));
        command.env(name, theirs.unwrap());
    }
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "Fashion-MNIST is here: 60000 images to train with, 10000 to test with.\n"
    );
    told
}
