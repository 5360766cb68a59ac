//! The notebooks' Rust kernel, driven through `notebooks/start.sh run` as a user would: what its
//! set-up promises about Candle, and that a failing cell is never taken for a good one.
use crate::notebook::{self, Notebook, start_sh, start_sh_in};
use std::path::{Path, PathBuf};
use std::thread;

/// Two kernels at once, each of which must give every tensor an id of its own across cells.
///
/// With a second copy of Candle in each cell, both variables would be `TensorId(1)`, and the
/// gradient of one would be stored as that of the other.
#[test]
fn two_kernels_at_once_keep_tensors_apart_across_cells() {
    thread::scope(|scope| {
        for kernel in [scope.spawn(tensors_in_cells), scope.spawn(tensors_in_cells)] {
            let notebook = kernel.join().unwrap();
            let ids = [notebook.number_printed_by(2), notebook.number_printed_by(3)];
            assert!(ids[0] < ids[1], "tensor ids in successive cells: {ids:?}");
            // d(sum(a * b)) / da = b = 1 and / db = a = 0.
            assert_eq!(notebook.printed_by(4).trim(), "6 0");
            // 2^63 * 2 wraps to 0 in Candle, where overflow checks would have panicked.
            assert_eq!(notebook.printed_by(5).trim(), "0");
        }
    });
}

/// Runs the notebook of tensors.
fn tensors_in_cells() -> Notebook {
    let cells = [
        r#":dep fmnist-lib = { path = "../fmnist-lib" }"#,
        "use fmnist_lib::candle_core::{DType, Device, Shape, Var};
         use fmnist_lib::candle_core::quantized::{GgmlType, k_quants::BlockQ8_0};",
        r#"let a = Var::zeros((2, 3), DType::F32, &Device::Cpu)?; println!("{:?}", a.id());"#,
        r#"let b = Var::ones((2, 3), DType::F32, &Device::Cpu)?; println!("{:?}", b.id());"#,
        r#"let gradients = (a.as_tensor() * b.as_tensor())?.sum_all()?.backward()?;
           let of_a = gradients.get(&a).unwrap().sum_all()?.to_scalar::<f32>()?;
           let of_b = gradients.get(&b).unwrap().sum_all()?.to_scalar::<f32>()?;
           println!("{of_a} {of_b}");"#,
        r#"println!("{}", Shape::from((1usize << 63, 2)).elem_count());"#,
        // One number is no whole block of 32: a debug assertion of Candle's would panic.
        "BlockQ8_0::to_float(&[], &mut [0.0]);",
    ];
    run_cells(&cells)
}

/// Runs a notebook of these cells in a kernel of its own, and returns it with its outputs.
fn run_cells(cells: &[&str]) -> Notebook {
    run(&Notebook::new(cells), &[])
}

/// The same for a notebook and options of `start.sh run`.
fn run(notebook: &Notebook, options: &[&str]) -> Notebook {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.ipynb");
    notebook.write(&path);
    let output = folder.path().join("out");
    let arguments = ["run", "--output-dir", output.to_str().unwrap()];
    let result = start_sh(&[&arguments, options].concat(), &[path]);
    assert!(result.succeeded, "{}", result.stderr);
    Notebook::read(&output.join("cells.ipynb"))
}

#[test]
fn a_run_gives_parameters_other_values() {
    let cells = [
        r#"let epochs: usize = 50; let name: String = "none".into(); let rate = 0.1;"#,
        r#"println!("{} {name} {rate}", "x".repeat(epochs));"#,
    ];
    let notebook = Notebook::new(&cells).tagged(0, "parameters");
    let done = run(&notebook, &["--set", "epochs=3", "--set", "name=two words"]);
    assert_eq!(done.printed_by(2).trim(), "xxx two words 0.1");
}

/// A notebook in a folder of its own cannot know the way to the library. The kernel does.
#[test]
fn a_notebook_in_any_folder_can_load_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.ipynb");
    let cells = [
        ":dep fmnist-lib = { workspace = true }",
        "use fmnist_lib::*; assert_eq!(CLASSES, 10);",
    ];
    Notebook::new(&cells).write(&path);
    let result = start_sh_in(folder.path(), &["run"], &[path]);
    assert!(result.succeeded, "{}", result.stderr);
}

/// Where nobody watches, a run is a line per epoch; the bar and the moving curves of a served notebook
/// (tests/image/test_live.py) would be gibberish.
#[test]
fn training_prints_a_line_per_epoch() {
    let cells = [
        r#":dep fmnist-lib = { path = "../fmnist-lib" }"#,
        "use fmnist_lib::*;
         let data = Dataset::new(vec![0; 20 * PIXELS], (0..20).map(|i| i % 10).collect())?;",
        "fit(&mut one_layer().build(1)?, &data, &data, FitConfig::default().epochs(2))?;",
    ];
    let printed = run_cells(&cells).printed_by(2);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines[1].starts_with("Epoch 2/2 - "), "{printed}");
}

/// The programs between Jupyter and evcxr, each alone.
#[test]
fn the_relay_reads_streams_and_sources() {
    notebook::python_tests("kernel/unit");
}

/// What cells print, show, ask and define, and a kernel that is treated badly.
#[test]
fn cells_do_what_their_reader_expects() {
    notebook::python_tests("kernel");
}

/// Each way in which a cell can fail makes the run fail and names the cell and the reason, although
/// evcxr itself answers "ok" for the first two.
#[test]
fn a_run_names_the_cell_that_failed() {
    let cases = [
        (
            "panic",
            r#"let list = vec![1]; println!("{}", list[7]);"#,
            "index out of bounds",
        ),
        (
            "error",
            r#"let number: i32 = "seven".parse()?;"#,
            "invalid digit found in string",
        ),
        (
            "compile",
            r#"let number: i32 = "seven";"#,
            "mismatched types",
        ),
        (
            "abort",
            "std::process::abort();",
            "has ended: signal: 6 (SIGABRT)",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let paths = cases.map(|(name, cell, _)| write_failing(folder.path(), name, cell));
    let result = start_sh(&["run"], &paths);
    assert!(!result.succeeded, "{}", result.stderr);
    for ((_, cell, reason), path) in cases.iter().zip(&paths) {
        let head = format!("error: {}: cell 2 of 3, `{cell}`: ", path.display());
        let report = result.stderr.split_once(&head).map(|(_, report)| report);
        let report = report.unwrap_or_else(|| panic!("no {head:?} in:\n{}", result.stderr));
        let report = report.split("\nerror: ").next().unwrap();
        assert!(
            report.contains(reason),
            "no {reason:?} in the report {report:?}"
        );
    }
}

/// Writes a notebook whose second cell fails.
fn write_failing(folder: &Path, name: &str, cell: &str) -> PathBuf {
    let path = folder.join(format!("{name}.ipynb"));
    Notebook::new(&["let before = 1;", cell, "println!(\"never printed\");"]).write(&path);
    path
}
