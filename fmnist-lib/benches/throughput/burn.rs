//! The program that trains with burn: a package of its own, compiled when it is asked for.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer_burn");
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/peer_burn");

pub(crate) fn compile() -> Result<PathBuf> {
    let program = Path::new(TARGET).join("release/peer-burn");
    if !program.exists() {
        eprintln!("Compiling burn, once: about ten minutes on two cores");
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        // Where its settings for the compiler are.
        .current_dir(SOURCE)
        .args(["build", "--release", "--quiet"])
        .args(["--target-dir", TARGET])
        .status()?;
    match status.success() {
        true => Ok(program),
        false => Err(format!("cargo build in {SOURCE} failed ({status})").into()),
    }
}
