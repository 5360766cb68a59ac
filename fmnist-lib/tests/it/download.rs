//! The program for the download: found or compiled, started, and ended. Shell scripts stand for it and for
//! Cargo; what the real ones do is tested with the program, in `download/tests`.
use std::env;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::machine::{HANG, Machine, VERSION, cargo, interrupt, program, script, wait_for_the_end};

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn a_program_on_the_path_is_used() {
    let machine = Machine::new();
    let noise = "/bin/dd if=/dev/zero bs=1024 count=300 2>/dev/null";
    program(
        &machine.path(),
        VERSION,
        &format!("echo working >&2; {noise}; {}", machine.copies()),
    );
    let (found, told) = machine.download();
    assert_eq!(found, "the real data");
    assert!(told.contains("working"), "{told}");
    assert!(machine.0.cache().join("t10k-labels-idx1-ubyte.gz").exists());
    // It is there now: nothing is started again.
    assert_eq!(machine.0.run("load", &[]), "the real data");
    assert_eq!(machine.file("starts"), "start\n");
}

#[test]
fn a_cache_that_cannot_be_written_costs_only_the_next_start() {
    let machine = Machine::new();
    program(&machine.path(), VERSION, &machine.copies());
    let mut command = machine.command("report");
    command.env("XDG_CACHE_HOME", "/dev/null");
    let told = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert_eq!(machine.0.report("report"), "the real data");
    assert_has(
        &told,
        &["will have to be downloaded again: cannot create /dev/null/fmnist-lib"],
    );

    fs::remove_dir_all(machine.path()).unwrap();
    assert!(command.status().unwrap().success());
    assert_has(
        &machine.0.report("report"),
        &[
            "no folder of PATH has it",
            "compiling it: cannot create /dev/null/fmnist-lib",
        ],
    );
}

#[test]
fn what_a_program_did_wrong_is_told_with_its_path() {
    for (body, expected) in [
        (
            "echo 'http://hub: no answer'; exit 1",
            "http://hub: no answer",
        ),
        ("exit 3", "it failed, and did not say why (exit status: 3)"),
        ("kill -9 $$", "(signal: 9 (SIGKILL))"),
        ("exit 0", "what it has written cannot be used: "),
        (
            "echo damaged >\"$2/t10k-labels-idx1-ubyte.gz\"",
            "what it has written cannot be used: ",
        ),
    ] {
        let machine = Machine::new();
        program(&machine.path(), VERSION, body);
        let (found, _) = machine.download();
        let file = machine.path().join("fmnist-download");
        assert_has(&found, &[&format!("{}: ", file.display()), expected]);
    }
}

#[test]
fn where_there_is_no_program_each_place_and_the_remedy_are_named() {
    let machine = Machine::new();
    let (found, _) = machine.download();
    let beside = env::current_exe()
        .unwrap()
        .with_file_name("fmnist-download");
    let cached = machine.0.cache().join("bin/fmnist-download");
    assert_has(
        &found,
        &[
            &format!("{} is not there", beside.display()),
            &format!("{} is not there", cached.display()),
            "no folder of PATH has it",
            "there is no cargo on the PATH; install Rust from https://rustup.rs",
        ],
    );

    // With Cargo, but without a network.
    script(
        &machine.path(),
        "cargo",
        "echo 'error: no network' >&2; exit 101",
    );
    program(&machine.path(), "fmnist-download 0.0.9", &machine.copies());
    let (found, told) = machine.download();
    assert_has(
        &told,
        &[
            "Compiling the program that downloads it into",
            "error: no network",
        ],
    );
    assert_has(
        &found,
        &[
            "path/fmnist-download: passed over, as it calls itself \"fmnist-download 0.0.9\" and not",
            "cargo install --locked --path",
            "failed (exit status: 101); its message is above",
        ],
    );
    assert_eq!(machine.file("starts"), "");
}

#[test]
fn an_old_program_is_replaced() {
    let machine = Machine::new();
    program(
        &machine.0.cache().join("bin"),
        "fmnist-download 0.0.9",
        "exit 1",
    );
    cargo(&machine, VERSION, &machine.copies());
    assert_eq!(machine.download().0, "the real data");
    let arguments = machine.file("cargo");
    assert_has(
        &arguments,
        &["install --locked --force --path", "fmnist-lib/download"],
    );
    assert!(!machine.0.cache().join("download-target").exists());

    // A Cargo that makes an old one, from other sources.
    let machine = Machine::new();
    cargo(&machine, "fmnist-download 0.0.9", &machine.copies());
    assert_has(
        &machine.download().0,
        &["calls itself \"fmnist-download 0.0.9\""],
    );
}

#[test]
fn two_processes_at_once_compile_and_download_once() {
    let machine = Machine::new();
    cargo(
        &machine,
        VERSION,
        &format!("/bin/sleep 1; {}", machine.copies()),
    );
    let start = |report| {
        let command = &mut machine.command(report);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    let told: String = [start("one"), start("other")]
        .map(|child| String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap())
        .concat();
    for report in ["one", "other"] {
        assert_eq!(machine.0.report(report), "the real data");
    }
    assert_has(&told, &["Waiting for another process that is downloading"]);
    assert_eq!(machine.file("cargo").lines().count(), 1);
    assert_eq!(machine.file("starts"), "start\n");
}

#[test]
fn stop_ends_the_program_and_what_it_has_started() {
    let machine = Machine::new();
    program(&machine.path(), VERSION, HANG);
    interrupted(&machine);
    // A program that does not want to end.
    let machine = Machine::new();
    program(
        &machine.path(),
        VERSION,
        &format!("trap '' TERM INT; {HANG}"),
    );
    interrupted(&machine);
    // Cargo, and its compiler.
    let machine = Machine::new();
    script(&machine.path(), "cargo", HANG);
    interrupted(&machine);
}

fn interrupted(machine: &Machine) {
    let child = machine.hang();
    // Another, which waits for the first.
    let mut other = machine.command("other");
    let other = other.stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_secs(1));
    for child in [other, child] {
        interrupt(&child);
        wait_for_the_end(child);
    }
    assert_eq!(machine.0.report("other"), "interrupted");
    assert_eq!(machine.0.report("report"), "interrupted");
}

/// The library starts only a program of its own version, so the two must not part.
#[test]
fn the_program_has_the_version_of_the_library() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/download/Cargo.toml");
    let version = concat!("\nversion = \"", env!("CARGO_PKG_VERSION"), "\"\n");
    assert_has(&fs::read_to_string(manifest).unwrap(), &[version]);
}
