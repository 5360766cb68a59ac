//! Downloads Fashion-MNIST from the Hugging Face Hub, checks it, and leaves it as four gzipped IDX files.
//!
//! `fmnist-lib` compiles and starts this program where it finds the data nowhere else.

#[allow(unreachable_pub, dead_code)]
#[path = "../../src/data/content.rs"]
mod content;
mod decode;
mod download;
mod folder;
mod hub;
mod parquet;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, process, thread};

const USAGE: &str = "\
fmnist-download FOLDER
    Download Fashion-MNIST (36 MB) into FOLDER, or take it from Hugging Face's own cache if it was left there
    before. HF_ENDPOINT, HF_HOME and HF_HUB_CACHE mean what they mean to all of Hugging Face's tools.
fmnist-download --child FOLDER
    The same for the program that has started this one: ends when standard input does, and says on standard
    output, not on standard error, why it has failed.
fmnist-download --version";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let named = |name: &str| arguments.first().is_some_and(|argument| argument == name);
    match arguments.as_slice() {
        [_] if named("--version") => {
            say(concat!("fmnist-download ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        [_] if named("--help") || named("-h") => {
            say(USAGE);
            ExitCode::SUCCESS
        }
        [_, folder] if named("--child") => {
            thread::spawn(end_with_input);
            download(folder.into(), say)
        }
        [folder] if !folder.as_encoded_bytes().starts_with(b"-") => {
            download(folder.into(), |error| complain(&format!("error: {error}")))
        }
        _ => {
            complain(USAGE);
            ExitCode::from(2)
        }
    }
}

fn download(folder: PathBuf, report: impl Fn(&str)) -> ExitCode {
    match download::download(&folder) {
        Ok(()) => {
            complain(&format!("Fashion-MNIST is now in {}", folder.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whoever started this has ended, or wants no more of it.
fn end_with_input() {
    let mut byte = [0];
    while let Ok(1..) = io::stdin().read(&mut byte) {}
    process::exit(1);
}

/// Where nobody reads, a message is lost, and nothing else.
fn say(message: &str) {
    let _ = writeln!(io::stdout(), "{message}");
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}
