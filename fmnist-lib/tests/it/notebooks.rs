//! Every notebook, from top to bottom, through the real kernel, with few epochs and little data.
use crate::notebook;
use std::{fs, path::PathBuf};

#[test]
fn every_notebook_runs_to_its_end() {
    let files = fs::read_dir(notebook::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_notebook = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "ipynb")
    };
    let mut notebooks: Vec<PathBuf> = files.filter(is_notebook).collect();
    notebooks.sort();
    assert!(
        !notebooks.is_empty(),
        "no notebook in {}",
        notebook::folder().display()
    );
    let result = notebook::start_sh(&["run", "--quick"], &notebooks);
    assert!(result.succeeded, "{}", result.stderr);
}
