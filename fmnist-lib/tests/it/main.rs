//! All integration tests in one binary: Candle is linked once.
#![allow(clippy::unwrap_used, missing_docs)]

/// Adam against a step computed by hand.
mod adam;
/// What flips, shifts and erasures do to pixels.
mod augment;
/// Saving, refusing, resuming.
mod checkpoint;
/// The dataset: the real one, and folders that hold it or something else.
mod dataset;
/// Datasets of other shapes and classes, from the files of others.
mod datasets;
/// The program for the download: found or compiled, started, and ended.
mod download;
/// Principal components and t-SNE, against scikit-learn's.
mod embedding;
/// Inner layers, saliency and Grad-CAM, against Keras's.
mod explain;
/// Figures of what a network is and sees, read back.
mod figures;
/// Layers that learn, and layers that do not.
mod freeze;
/// Every layer's gradients against finite differences in f64, and f32 against f64.
mod gradients;
/// Processes that look for the data in a home of their own.
mod home;
/// Files in the format IDX: read, damaged, hostile.
mod idx;
/// Files for other programs, and what these make of them.
mod interop;
/// Ctrl-C, and SIGTERM.
mod interrupt;
/// The instruction set that the environment names.
mod isa;
/// What needs JupyterLab and the notebooks' kernel.
mod jupyter;
/// Losses besides cross-entropy, and what trains by them.
mod losses;
/// Machines on which little is installed.
mod machine;
/// What is measured before or beside training: learning rates worth trying, noise of gradients.
mod measures;
/// The report's summaries, Keras's initialisers.
mod model;
/// Which module imports which.
mod modules;
/// Notebooks written, run and read by the tests.
mod notebook;
/// Rules by which weights move, against Keras's own.
mod optimizers;
/// A layer of the user's own.
mod own;
/// Pictures of the user's own.
mod picture;
/// Figures, read back: the SVG as XML, the PNG as pixels.
mod plots;
/// Scaling, splits.
mod preprocess;
/// Tests that start themselves as processes.
mod profile;
mod program;
/// Weights as PyTorch has them.
mod pytorch;
/// Fashion-MNIST itself, fetched where the machine lacks it.
mod real_data;
/// Trials drawn at random, and which of them go on.
mod search;
/// Networks and inputs that cannot work, and what those that work give.
mod shapes;
/// Many runs: found again, shared, interrupted, diverged.
mod sweep;
/// Results of an early version, brought into the present form.
mod sweep_convert;
/// What makes a run another run, and what does not.
mod sweep_results;
/// Event files for TensorBoard.
mod tensorboard;
/// Whole runs: over-fitting, early stopping, divergence, the same bits on 1 and 2 threads.
mod training;
/// Networks of the field.
mod zoo;

use fmnist_lib::{CLASSES, Dataset, PIXELS};
use rand::{Rng, SeedableRng};

/// A generator for test data.
fn random(seed: u64) -> rand_chacha::ChaCha8Rng {
    rand_chacha::ChaCha8Rng::seed_from_u64(seed)
}

/// `count` images of noise in which class k brightens the rows 2k to 2k+3: easy to learn.
fn striped(count: usize, seed: u64) -> Dataset {
    let mut random = random(seed);
    let labels: Vec<u8> = (0..count).map(|i| (i % CLASSES) as u8).collect();
    let pixel = |label: u8, at: usize, noise: u8| {
        let row = at / 28;
        let first = 2 * usize::from(label);
        if (first..first + 4).contains(&row) {
            155 + noise
        } else {
            noise
        }
    };
    let images = labels
        .iter()
        .flat_map(|&label| (0..PIXELS).map(move |at| (label, at)))
        .map(|(label, at)| pixel(label, at, random.random_range(0..100)))
        .collect();
    Dataset::new(images, labels).unwrap()
}
