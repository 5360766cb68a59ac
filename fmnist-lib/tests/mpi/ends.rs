use std::path::Path;

use fmnist_lib::{Callback, Model, finish};

use super::program::{checkpoint, command, images, train};
use super::{State, state, text, told};

struct Nothing;

impl Callback for Nothing {}

/// What an uninterrupted run ends with, in this process.
fn whole() -> State {
    let folder = tempfile::tempdir().unwrap();
    state(&train(folder.path(), &mut Nothing).unwrap())
}

/// Goes on from the checkpoint with another number of processes, and in this one.
fn resumed(folder: &Path, processes: usize) -> [State; 2] {
    let mut here = Model::load(checkpoint(folder)).unwrap();
    let [images, validation] = images();
    told(command(processes, "resume", folder));
    let there = Model::load(checkpoint(folder)).unwrap();
    finish(&mut here, &images, &validation).unwrap();
    [state(&here), state(&there)]
}

/// The signal goes to one process, which leads or follows; all stop behind the same step.
#[test]
fn a_process_that_is_asked_to_stop_stops_all_of_them_and_the_run_goes_on_from_the_checkpoint() {
    let whole = whole();
    for (processes, rank, then) in [(2, 1, 4), (4, 0, 3)] {
        let folder = tempfile::tempdir().unwrap();
        told(command(processes, &format!("stop {rank}"), folder.path()));
        let stopped = Model::load(checkpoint(folder.path())).unwrap();
        assert_eq!(
            stopped.history().epochs.len(),
            1,
            "signal to process {rank}"
        );
        assert!(state(&stopped) != whole);
        assert!(resumed(folder.path(), then).iter().all(|it| *it == whole));
    }
}

/// As Slurm and Kubernetes end programs: with the exit status that tells them so, and a checkpoint.
#[test]
fn a_process_that_is_terminated_ends_all_of_them_behind_the_same_step() {
    let whole = whole();
    for (rank, then) in [(1, 4), (0, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(2, &format!("terminate {rank}"), folder.path());
        let output = command.output().unwrap();
        let text = text(&output);
        assert_eq!(output.status.code(), Some(143), "{text}");
        assert!(!text.contains("the program is over"), "{text}");
        let left = Model::load(checkpoint(folder.path())).unwrap();
        assert_eq!(left.history().epochs.len(), 1);
        assert!(resumed(folder.path(), then).iter().all(|it| *it == whole));
    }
}

#[test]
fn the_death_of_a_process_ends_all_and_the_run_goes_on_from_the_checkpoint() {
    let whole = whole();
    for (rank, then) in [(1, 4), (0, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(2, &format!("kill {rank}"), folder.path());
        let output = command.output().unwrap();
        let text = text(&output);
        assert!(!output.status.success(), "{text}");
        let told = text.contains(&format!("process rank {rank}")) && text.contains("signal 9");
        assert!(told && !text.contains("the program is over"), "{text}");
        let left = Model::load(checkpoint(folder.path())).unwrap();
        assert_eq!(left.history().epochs.len(), 1);
        assert!(resumed(folder.path(), then).iter().all(|it| *it == whole));
    }
}

#[test]
fn a_panic_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(2, "panic", folder.path()).output().unwrap();
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("a mistake"), "{text}");
    assert!(
        text.contains("error: process 0 of 2: it has panicked. All processes end"),
        "{text}"
    );
}

#[test]
fn processes_outlive_runs_that_are_refused_or_fail() {
    let folder = tempfile::tempdir().unwrap();
    let text = told(command(2, "mistakes", folder.path()));
    let uneven = "2 processes cannot share batches of 3 shards evenly: FitConfig::shards(2), or a multiple of it";
    assert!(text.contains(uneven), "{text}");
    let own = "the layer mine is your own: its code cannot be sent to the other process";
    assert!(text.contains(own), "{text}");
    let model = Model::load(checkpoint(folder.path())).unwrap();
    assert!(state(&model) == whole());
}
