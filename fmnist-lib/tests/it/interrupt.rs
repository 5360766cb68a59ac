use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use fmnist_lib::{Ended, Error, FitConfig, Verbose, evaluate, fit};

use crate::striped;
use crate::training::small;

/// The program that is interrupted: this file's `trains`, in a process of its own.
#[test]
fn ctrl_c_ends_fit_and_nothing_else() {
    let mut program = Command::new(env::current_exe().unwrap())
        .args(["interrupt::trains", "--exact", "--ignored", "--nocapture"])
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
        let id = program.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
    };
    wait_for("Epoch 2/");
    interrupt();
    wait_for("Interrupted: the model keeps what it has learned, and fit goes on from there.");
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

#[test]
#[ignore = "a program for the test above"]
fn trains() {
    let data = striped(2000, 1);
    let model = small().build(1).unwrap();
    let config = FitConfig::default()
        .epochs(1_000_000)
        .batch_size(100)
        .verbose(Verbose::Lines);
    let run = fit(&model, &data, None, config).unwrap();
    assert_eq!(run.ended, Ended::Interrupted);
    assert_eq!(run.history, model.history());
    // Many images, so that the signal does not come just between two passes over them.
    let many = striped(20_000, 2);
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(200));
        println!("fit has returned, evaluate is at work");
    });
    while !matches!(evaluate(&model, &many), Err(Error::Interrupted)) {}
    // What was learned is there, and a run goes on from it.
    let before = model.history().epochs.len();
    let more = FitConfig::default().epochs(1).verbose(Verbose::Silent);
    assert_eq!(
        fit(&model, &data, None, more).unwrap().ended,
        Ended::Completed
    );
    assert_eq!(model.history().last().unwrap().epoch, before + 1);
    println!("evaluate has been interrupted");
    println!("nobody listens");
    loop {
        thread::park();
    }
}
