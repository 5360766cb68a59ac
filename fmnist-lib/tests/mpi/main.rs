//! Several processes under `mpirun`. `cargo test --release --features fmnist-lib/mpi --test mpi` runs them, where Debian's
//! `libopenmpi-dev`, `openmpi-bin` and `libclang-dev` are installed.
#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, missing_docs)]

/// Processes that die, panic or are stopped, and what is left.
mod ends;
/// What the processes do that `mpirun` starts.
mod program;
/// The same bits, whatever the number of processes.
mod same_bits;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fmnist_lib::{Dataset, Model, PIXELS};
use rand::{Rng, SeedableRng};

/// Has `mpirun` start a program `processes` times. It ends all after two minutes, so that a test fails where they wait
/// for each other.
fn mpirun(processes: usize, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args(["--oversubscribe", "--bind-to", "none", "--timeout", "120"])
        .args(["-n", &processes.to_string()])
        .arg(program.as_ref())
        // Open MPI asks for this where everything belongs to root, as in a container.
        .envs([
            ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
            ("RAYON_NUM_THREADS", "1"),
        ]);
    command
}

/// The standard output and the errors of a program that must succeed.
fn told(mut command: Command) -> String {
    let output = command.output().expect("mpirun is there (openmpi-bin)");
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    text
}

fn text(output: &Output) -> String {
    let [out, errors] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{out}{errors}")
}

/// The example `reproduce`, compiled with MPI.
fn reproduce() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--example", "reproduce"])
        .args(["--features", "fmnist-lib/mpi"])
        .current_dir(manifest.parent().unwrap())
        .status();
    assert!(built.unwrap().success());
    let program = std::env::current_exe().unwrap();
    program
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/reproduce")
}

/// `count` images of noise in which class k brightens the rows 2k to 2k+3.
fn striped(count: usize, seed: u64) -> Dataset {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let labels: Vec<u8> = (0..count).map(|at| (at % 10) as u8).collect();
    let mut images = vec![0; count * PIXELS];
    for (image, &label) in images.chunks_mut(PIXELS).zip(&labels) {
        for (at, pixel) in image.iter_mut().enumerate() {
            let first = 2 * usize::from(label);
            let bright = (first..first + 4).contains(&(at / 28));
            *pixel = random.random_range(0..100) + if bright { 155 } else { 0 };
        }
    }
    Dataset::new(images, labels).unwrap()
}

/// The bits of all weights, and of what was recorded of each epoch but the time.
type State = (Vec<u32>, Vec<[Option<u32>; 5]>);

fn state(model: &Model) -> State {
    let weights = model.weights().into_iter();
    let values = weights.flat_map(|(_, it)| it.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    let bits = |value: Option<f32>| value.map(f32::to_bits);
    let epochs = model.history().epochs.into_iter().map(|it| {
        let rate = Some(it.learning_rate as f32);
        [
            Some(it.loss),
            it.accuracy,
            it.val_loss,
            it.val_accuracy,
            rate,
        ]
        .map(bits)
    });
    (values.map(f32::to_bits).collect(), epochs.collect())
}
