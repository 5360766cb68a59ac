use std::fs;
use std::path::Path;

use fmnist_lib::{Callback, Model};

use super::program::{checkpoint, command, train};
use super::{mpirun, reproduce, state, told};

struct Nothing;

impl Callback for Nothing {}

/// Batch normalisation, dropout, augmentation, averages and early stopping: all that a run may depend on.
#[test]
fn a_run_has_the_same_bits_on_any_number_of_processes() {
    let alone = tempfile::tempdir().unwrap();
    let expected = state(&train(alone.path(), &mut Nothing).unwrap());
    assert!(expected.1.len() >= 3, "{:?}", expected.1);
    for processes in [1, 2, 3, 4] {
        let folder = tempfile::tempdir().unwrap();
        let text = told(command(processes, "train", folder.path()));
        assert_eq!(text.matches("the program is over").count(), 1, "{text}");
        let model = Model::load(checkpoint(folder.path())).unwrap();
        assert!(state(&model) == expected, "{processes} processes");
    }
}

/// The networks that `reproduce` has written, by name.
fn results(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<(String, String)> = names
        .filter(|name| name.ends_with(".safetensors"))
        .map(|name| {
            let model = Model::load(folder.join(&name)).unwrap();
            (name, format!("{:?}", state(&model)))
        })
        .collect();
    found.sort();
    found
}

/// The table but for the seconds, which are its sixth column.
fn table(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').enumerate());
    cells
        .map(|cells| {
            cells
                .filter(|(at, _)| *at != 5)
                .map(|(_, cell)| cell)
                .collect()
        })
        .collect()
}

#[test]
fn reproduce_gives_the_same_table_and_networks_on_1_2_and_4_processes() {
    let program = reproduce();
    let run = |processes| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = mpirun(processes, &program);
        command.env("FMNIST_QUICK", "1").args(["--models", "1,2"]);
        command.args(["--shards", "4", "--out"]).arg(folder.path());
        (told(command), results(folder.path()))
    };
    let (expected, networks) = run(1);
    assert_eq!(
        (table(&expected).len(), networks.len()),
        (6, 2),
        "{expected}"
    );
    for processes in [2, 4] {
        let (text, found) = run(processes);
        assert_eq!(table(&text), table(&expected), "{processes} processes");
        assert!(found == networks, "{processes} processes");
    }
}
