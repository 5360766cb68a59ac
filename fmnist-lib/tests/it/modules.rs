//! The modules of the library, and which of them import which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = entries.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|it| it == "rs");
    paths.filter(is_rust).collect()
}

/// The code of a file without its comments and its tests.
fn code(path: &Path) -> String {
    let text = read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands behind each `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let behind = code.split("crate::").skip(1);
    behind
        .map(|rest| rest.chars().take_while(|&c| is_name(c)).collect())
        .collect()
}

#[test]
fn imports_run_one_way_and_name_the_module() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, BTreeSet<String>> = code(&src.join("lib.rs"))
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|name| (name.trim_end_matches(';').to_owned(), BTreeSet::new()))
        .collect();
    let names: BTreeSet<String> = modules.keys().cloned().collect();
    assert!(names.len() > 10, "{names:?}");
    for path in sources(&src) {
        let within = path.strip_prefix(&src).unwrap().with_extension("");
        let module = within.iter().next().unwrap().to_str().unwrap().to_owned();
        if module == "lib" || path.ends_with("tests.rs") {
            continue;
        }
        for import in imports(&code(&path)) {
            assert!(
                names.contains(&import),
                "{}: crate::{import} comes through lib.rs; name its module",
                path.display()
            );
            if import != module {
                modules.get_mut(&module).unwrap().insert(import);
            }
        }
    }
    // Whoever imports nothing that is left is taken away, until nobody is left or a circle is.
    while !modules.is_empty() {
        let left: BTreeSet<String> = modules.keys().cloned().collect();
        modules.retain(|_, imports| !imports.is_disjoint(&left));
        assert!(
            modules.len() < left.len(),
            "these import each other: {modules:#?}"
        );
    }
}
