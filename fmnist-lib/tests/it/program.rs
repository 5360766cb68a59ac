//! Tests that start themselves as processes: what they try changes the environment, prints, or is
//! killed. Such a test runs its program, and nothing else, where [`is_running`] says so.
use std::{env, process::Command};

const VARIABLE: &str = "FMNIST_TEST_PROGRAM";

/// Starts the program of the test of that name, `module::function`.
pub(crate) fn command(test: &str) -> Command {
    behind(Command::new(env::current_exe().unwrap()), test)
}

/// The same, started by a command that ends with the path of this process's own program.
pub(crate) fn behind(mut command: Command, test: &str) -> Command {
    command
        .args([test, "--exact", "--nocapture"])
        .env(VARIABLE, "1");
    command
}

/// Whether this process was started by [`command`].
pub(crate) fn is_running() -> bool {
    env::var_os(VARIABLE).is_some()
}
