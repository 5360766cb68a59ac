use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use fmnist_lib::{
    Callback, Ended, Error, FitConfig, Model, Result, StepRecord, TensorBoard, Verbose, evaluate,
    finish, finish_with, fit, fit_with, resume,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::checkpoint::{comparable, elaborate};
use crate::program;
use crate::striped;
use crate::tensorboard::event_files;
use crate::training::{bits, small};

/// The program that is interrupted: this file's `trains`, in a process of its own.
#[test]
fn ctrl_c_ends_fit_and_nothing_else() {
    if program::is_running() {
        return trains();
    }
    let mut program = program::command("interrupt::ctrl_c_ends_fit_and_nothing_else")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut wait_for = |start: &str| {
        let line = lines.find(|line| line.as_ref().unwrap().starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start:?}")).unwrap()
    };
    let interrupt = || {
        let id = program.id();
        assert!(
            Command::new("sh")
                .args(["-c", &format!("kill -INT {id}")])
                .status()
                .unwrap()
                .success()
        );
    };
    wait_for("Epoch 2/");
    interrupt();
    wait_for(
        "Interrupted: the model keeps what it has learned. `finish` trains the rest of this run;",
    );
    wait_for("fit has returned, evaluate is at work");
    interrupt();
    wait_for("evaluate has been interrupted");
    wait_for("nobody listens");
    interrupt();
    let status = program.wait().unwrap();
    assert!(
        !status.success(),
        "where nobody listens, the signal ends the process"
    );
}

/// As Slurm, Kubernetes and `docker stop` end a program: what is at work saves, and nothing else happens.
#[test]
fn sigterm_ends_the_process_when_the_checkpoint_is_written() {
    const STEPS: usize = 4;
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let path = |folder: &Path| folder.join("saved.safetensors");
    if program::is_running() {
        let folder = env::var_os("CHECKPOINT").unwrap();
        let mut model = small().build(1).unwrap();
        let config = elaborate().checkpoint(path(Path::new(&folder)));
        let mut stop = stop_at(SIGTERM, 2, 3);
        fit_with(&mut model, &data, &validation, config, &mut [&mut stop]).unwrap();
        panic!("the process goes on behind fit");
    }
    let folder = tempfile::tempdir().unwrap();
    let ended =
        program::command("interrupt::sigterm_ends_the_process_when_the_checkpoint_is_written")
            .env("CHECKPOINT", folder.path())
            .output()
            .unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(143), "{told}");
    assert!(told.contains("terminated (SIGTERM)"), "{told}");

    let mut whole = small().build(1).unwrap();
    let run = fit(&mut whole, &data, &validation, elaborate()).unwrap();
    let seen = Rc::new(Cell::new(0));
    let mut count = Count(Rc::clone(&seen));
    let mut model = Model::load(path(folder.path())).unwrap();
    finish_with(&mut model, &data, &validation, &mut [&mut count]).unwrap();
    assert_eq!(bits(&model), bits(&whole));
    assert_eq!(comparable(&model), comparable(&whole));
    // Of what was trained before, nothing is trained again.
    assert_eq!(seen.get(), run.history.epochs.len() * STEPS - (STEPS + 3));
}

/// Counts steps.
struct Count(Rc<Cell<usize>>);

impl Callback for Count {
    fn on_step_end(&mut self, _: &Model, _: &StepRecord) -> Result<ControlFlow<()>> {
        self.0.set(self.0.get() + 1);
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn sigterm_ends_the_process_where_nobody_listens() {
    if program::is_running() {
        // So that the signal is known here.
        let data = striped(50, 1);
        evaluate(&small().build(1).unwrap(), &data).unwrap();
        low_level::raise(SIGTERM).unwrap();
        panic!("the process goes on");
    }
    let mut program = program::command("interrupt::sigterm_ends_the_process_where_nobody_listens");
    assert_eq!(program.output().unwrap().status.code(), Some(143));
}

fn trains() {
    let data = striped(2000, 1);
    let mut model = small().build(1).unwrap();
    let config = FitConfig::default()
        .epochs(1_000_000)
        .batch_size(100)
        .verbose(Verbose::Lines);
    let run = fit(&mut model, &data, None, config).unwrap();
    assert_eq!(run.ended, Ended::Interrupted);
    assert_eq!(run.history, model.history());
    // Many images, so that the signal does not come just between two passes over them.
    let many = striped(20_000, 2);
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(200));
        println!("fit has returned, evaluate is at work");
    });
    while !matches!(evaluate(&model, &many), Err(Error::Interrupted)) {}
    // What was learned is there, and another run begins with it.
    let before = model.history().epochs.len();
    let more = FitConfig::default().epochs(1).verbose(Verbose::Silent);
    assert_eq!(
        fit(&mut model, &data, None, more).unwrap().ended,
        Ended::Completed
    );
    assert_eq!(model.history().last().unwrap().epoch, before + 1);
    println!("evaluate has been interrupted");
    println!("nobody listens");
    loop {
        thread::park();
    }
}

/// Runs a test's program in a process of its own, where a signal ends no other test.
fn assert_success(mut program: Command) {
    let output = program.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
}

/// Sends the signal in a step of an epoch: twice if it is SIGTERM, as a cluster may.
struct Stop {
    signal: i32,
    epoch: usize,
    step: usize,
}

fn stop_at(signal: i32, epoch: usize, step: usize) -> Stop {
    Stop {
        signal,
        epoch,
        step,
    }
}

impl Callback for Stop {
    fn on_step_end(&mut self, _: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
        if (record.epoch, record.step) == (self.epoch, self.step) {
            low_level::raise(self.signal).unwrap();
            if self.signal == SIGTERM {
                low_level::raise(self.signal).unwrap();
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn a_stopped_run_ends_as_if_nobody_had_stopped_it() {
    if program::is_running() {
        return stops_and_goes_on();
    }
    assert_success(program::command(
        "interrupt::a_stopped_run_ends_as_if_nobody_had_stopped_it",
    ));
}

fn stops_and_goes_on() {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    let mut whole = small().build(1).unwrap();
    fit(&mut whole, &data, &validation, elaborate()).unwrap();
    let last = whole.history().epochs.len();
    let stopped = |epoch, step, ended| {
        let mut model = small().build(1).unwrap();
        let mut stop = stop_at(SIGINT, epoch, step);
        let run = fit_with(
            &mut model,
            &data,
            &validation,
            elaborate(),
            &mut [&mut stop],
        )
        .unwrap();
        assert_eq!(run.ended, ended, "stopped in step {step} of epoch {epoch}");
        model
    };
    // In the middle of an epoch, and in a validation. An epoch has 4 steps.
    for (epoch, step) in [(1, 1), (2, 3), (2, 4), (last, 2)] {
        let mut model = stopped(epoch, step, Ended::Interrupted);
        model.save(&path).unwrap();
        finish(&mut model, &data, &validation).unwrap();
        let (resumed, _) = resume(&path, &data, &validation).unwrap();
        for model in [model, resumed] {
            assert_eq!(bits(&model), bits(&whole), "step {step} of epoch {epoch}");
            assert_eq!(comparable(&model), comparable(&whole));
        }
    }
    // In the last validation nothing is left to stop.
    let model = stopped(last, 4, Ended::Completed);
    assert_eq!(bits(&model), bits(&whole));
}

#[test]
fn a_stopped_run_writes_no_mistakes_for_tensorboard() {
    if program::is_running() {
        return stops_before_the_mistakes();
    }
    assert_success(program::command(
        "interrupt::a_stopped_run_writes_no_mistakes_for_tensorboard",
    ));
}

fn stops_before_the_mistakes() {
    let (data, validation) = (striped(100, 1), striped(50, 2));
    let config = FitConfig::default()
        .epochs(2)
        .batch_size(50)
        .learning_rate(1e-6)
        .verbose(Verbose::Silent);
    // An epoch has 2 steps; there is no third epoch.
    for (epoch, step, ended, mistakes) in [
        (2, 1, Ended::Interrupted, 0),
        (2, 2, Ended::Completed, 0),
        (3, 1, Ended::Completed, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::new(folder.path()).mistakes(&validation);
        let mut stop = stop_at(SIGINT, epoch, step);
        let mut model = small().build(1).unwrap();
        let callbacks = &mut [&mut board as &mut dyn Callback, &mut stop];
        let run = fit_with(&mut model, &data, &validation, config.clone(), callbacks).unwrap();
        assert_eq!(run.ended, ended);
        let files = event_files(&folder.path().join("validation"));
        let bytes = fs::read(&files[0]).unwrap();
        let found = bytes.windows(8).filter(|it| it == b"mistakes").count();
        assert_eq!(found, mistakes, "stopped in step {step} of epoch {epoch}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_host_keeps_its_handler() {
    if program::is_running() {
        return has_a_host();
    }
    assert_success(program::command("interrupt::a_host_keeps_its_handler"));
}

fn has_a_host() {
    // Both before this library takes its first signal.
    let hosts = [SIGINT, SIGTERM].map(|signal| {
        let told = Arc::new(AtomicBool::new(false));
        flag::register(signal, Arc::clone(&told)).unwrap();
        (signal, told)
    });
    for (signal, told) in hosts {
        stop_and_fit_again(signal);
        assert!(told.swap(false, Ordering::Relaxed));
        // Where nobody else listens, it is the host's alone.
        low_level::raise(signal).unwrap();
        assert!(told.load(Ordering::Relaxed));
        stop_and_fit_again(signal);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_that_was_ignored_stays_so() {
    if program::is_running() {
        return ignores_the_signal();
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' INT TERM; exec \"$0\" \"$@\""]);
    shell.arg(env::current_exe().unwrap());
    assert_success(program::behind(
        shell,
        "interrupt::a_signal_that_was_ignored_stays_so",
    ));
}

fn ignores_the_signal() {
    for signal in [SIGINT, SIGTERM] {
        stop_and_fit_again(signal);
        low_level::raise(signal).unwrap();
        stop_and_fit_again(signal);
    }
}

/// A run that is stopped, and one that an earlier signal does not stop.
fn stop_and_fit_again(signal: i32) {
    let data = striped(100, 1);
    let mut model: Model = small().build(1).unwrap();
    let config = FitConfig::default()
        .epochs(3)
        .batch_size(50)
        .verbose(Verbose::Silent);
    let mut stop = stop_at(signal, 2, 1);
    let run = fit_with(&mut model, &data, None, config.clone(), &mut [&mut stop]).unwrap();
    assert_eq!(run.ended, Ended::Interrupted);
    assert_eq!(
        fit(&mut model, &data, None, config).unwrap().ended,
        Ended::Completed
    );
}
