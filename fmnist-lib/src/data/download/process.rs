//! A program that is started, watched, and ended where nobody wants it any more.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::support::interrupt::Interruptible;

/// Between two looks at what goes on elsewhere.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// What a program may take to end when it is asked to, and its output to arrive when it has ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most that is kept of what a program writes.
const LONGEST: u64 = 1 << 16;

/// What has become of a program.
pub(super) struct Outcome {
    pub(super) status: ExitStatus,
    /// On its standard output.
    pub(super) said: String,
}

/// Runs `command` to its end. What it writes to standard error is seen as it comes; its standard input is
/// open, and empty, for as long as this process lives.
///
/// # Errors
/// When it cannot be started, takes longer than `limit`, or the signal to stop comes. It has ended then,
/// and whatever it has started with it.
pub(super) fn run(
    command: &mut Command,
    limit: Option<Duration>,
    stop: &Interruptible,
) -> Result<Outcome> {
    own_group(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::io("start", command.get_program()))?;
    let said = read(&mut child);
    let started = Instant::now();
    let status = loop {
        let problem = match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if stop.requested() => Error::Interrupted,
            Ok(None) if limit.is_some_and(|limit| started.elapsed() > limit) => Error::Data {
                origin: command.get_program().display().to_string(),
                problem: format!("no answer for {} seconds", started.elapsed().as_secs()),
            },
            Ok(None) => {
                thread::sleep(PAUSE);
                continue;
            }
            Err(error) => Error::io("wait for", command.get_program())(error),
        };
        end(child);
        return Err(problem);
    };
    Ok(Outcome {
        status,
        said: said.recv_timeout(PATIENCE).unwrap_or_default(),
    })
}

/// Reads what the program writes until the end, so that it never waits for a reader.
fn read(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, said) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = (&mut output).take(LONGEST).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut output, &mut std::io::sink());
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    said
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    signal(&mut child, false);
    let asked = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && asked.elapsed() < PATIENCE {
        thread::sleep(PAUSE);
    }
    // Some of its group may be left even where it has ended itself.
    signal(&mut child, true);
    let _ = child.wait();
}

/// Cargo alone would leave its compilers at work.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(unix)]
fn signal(child: &mut Child, force: bool) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let signal = if force { Signal::KILL } else { Signal::TERM };
    let _ = kill_process_group(Pid::from_child(child), signal);
}

#[cfg(not(unix))]
fn signal(child: &mut Child, _: bool) {
    let _ = child.kill();
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::run;
    use crate::support::interrupt::Interruptible;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn one_that_takes_too_long_is_ended_and_named() {
        let stop = Interruptible::begin();
        let started = Instant::now();
        let limit = Some(Duration::from_millis(200));
        let error = run(&mut sh("sleep 1000"), limit, &stop).err();
        let error = error.map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("sh: no answer for 0 seconds"));
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    /// A program may leave another behind, which goes on writing.
    #[test]
    fn one_that_has_ended_is_not_waited_for() {
        let stop = Interruptible::begin();
        let started = Instant::now();
        let outcome = run(&mut sh("echo done; sleep 10 & exit 3"), None, &stop);
        assert_eq!(outcome.ok().and_then(|it| it.status.code()), Some(3));
        assert!(started.elapsed() < Duration::from_secs(9));
    }
}
