//! Tests that start themselves as processes: what they try changes the environment, prints, or is
//! killed. Such a test runs its program, and nothing else, where [`is_running`] says so.
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, thread};

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

/// Kills a process as soon as `is_there` what it was to do before that.
pub(crate) fn kill_when(mut process: Child, is_there: impl Fn() -> bool) {
    while !is_there() {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before it could be killed");
        thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
}
