//! Makes the program for the download, once: out of the sources beside this library's own, or from crates.io.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf, absolute};
use std::process::Command;
use std::{env, fs};

use super::{process, program, tell};
use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/download");

/// Where this library comes from crates.io, its sources have no such folder.
const PUBLISHED: &str = concat!("fmnist-download@", env!("CARGO_PKG_VERSION"));

/// Compiles the program into the folder `bin` of `cache`.
///
/// # Errors
/// When Cargo is not there or fails, or the signal to stop comes.
pub(super) fn compile(cache: &Path, stop: &Interruptible) -> Result<PathBuf> {
    let refuse = |problem: String| Error::Data {
        origin: "compiling it".to_owned(),
        problem,
    };
    let package: &[&str] = match Path::new(SOURCE).join("Cargo.toml").is_file() {
        true => &["--path", SOURCE],
        false => &[PUBLISHED],
    };
    tell(format_args!(
        "Fashion-MNIST is not on this machine. Compiling the program that downloads it into \
         {}, about 5 minutes on 2 cores, once",
        cache.join("bin").display()
    ));

    // What was compiled when this was stopped is there the next time.
    let ours = cache.join("download-target");
    let theirs = env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty());
    let target = theirs
        .as_ref()
        .map_or(Ok(ours.clone()), absolute)
        .map_err(Error::io("find", "CARGO_TARGET_DIR"))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--locked", "--force"]).args(package);
    cargo
        .arg("--root")
        .arg(cache)
        .arg("--target-dir")
        .arg(target);
    // Not in the user's folder, whose settings for Cargo may be those of another machine or compiler.
    cargo.current_dir(cache).env("PATH", path_with(cache));
    if !io::stderr().is_terminal() {
        cargo.arg("--quiet");
    }
    let status = match process::run(&mut cargo, None, stop) {
        Ok(outcome) => outcome.status,
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(refuse(
                "there is no cargo on the PATH; install Rust from https://rustup.rs".to_owned(),
            ));
        }
        Err(error) => return Err(error),
    };
    if !status.success() {
        return Err(refuse(format!(
            "`cargo install --locked {}` failed ({status}); its message is above. It needs the \
             network and a C compiler",
            package.join(" ")
        )));
    }
    if theirs.is_none() {
        let _ = fs::remove_dir_all(ours);
    }
    let file = program::in_cache(cache);
    program::check(&file, stop)?;
    Ok(file)
}

/// With the folder of the program in it, Cargo does not ask the user to put it there.
fn path_with(cache: &Path) -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(env::split_paths(&path).chain([cache.join("bin")])).unwrap_or(path)
}
