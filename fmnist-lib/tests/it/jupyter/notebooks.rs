use std::path::{Path, PathBuf};
use std::{fs, os::unix::fs::symlink, thread};

use crate::notebook;

/// They run, with the results of the sweeps, in a folder of their own, so that what they save does not land beside the notebooks.
#[test]
fn every_notebook_runs_to_its_end() {
    let is_notebook = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "ipynb");
    let files = fs::read_dir(notebook::folder()).unwrap();
    let mut notebooks: Vec<PathBuf> = files
        .map(|entry| entry.unwrap().path())
        .filter(is_notebook)
        .collect();
    notebooks.sort();
    assert!(
        !notebooks.is_empty(),
        "no notebook in {}",
        notebook::folder().display()
    );

    let checkout = tempfile::tempdir().unwrap();
    let folder = checkout.path().join("notebooks");
    fs::create_dir(&folder).unwrap();
    symlink(
        Path::new(env!("CARGO_MANIFEST_DIR")),
        checkout.path().join("fmnist-lib"),
    )
    .unwrap();
    copy_results(&notebook::folder().join("results"), &folder.join("results"));
    // Most of their time goes into compiling cells, which keeps one core busy.
    let run = |notebooks: &[PathBuf]| {
        let result = notebook::start_sh_in(&folder, &["run", "--quick"], notebooks);
        assert!(result.succeeded, "{}", result.stderr);
    };
    let (some, others) = notebooks.split_at(notebooks.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| run(some));
        run(others);
    });
    assert!(
        folder.join("accuracy.svg").exists(),
        "notebook 01 exports its figure"
    );
}

fn copy_results(from: &Path, to: &Path) {
    for sweep in fs::read_dir(from).unwrap() {
        let sweep = sweep.unwrap();
        let copy = to.join(sweep.file_name());
        fs::create_dir_all(&copy).unwrap();
        for result in fs::read_dir(sweep.path()).unwrap() {
            let result = result.unwrap();
            fs::copy(result.path(), copy.join(result.file_name())).unwrap();
        }
    }
}
