//! All integration tests in one binary: Candle is linked once.
#![allow(clippy::unwrap_used, missing_docs)]

/// Adam against a step computed by hand.
mod adam;
/// What flips, shifts and erasures do to pixels.
mod augment;
/// Saving, refusing, resuming.
mod checkpoint;
/// The dataset: damaged files, the real one, and the whole road from a server.
mod dataset;
/// Every layer's gradients against finite differences in f64, and f32 against f64.
mod gradients;
/// Ctrl-C.
mod interrupt;
/// The notebooks' kernel, driven through `start.sh` as a user would.
mod kernel;
/// What is measured before or beside training: learning rates worth trying, noise of gradients.
mod measures;
/// The report's summaries, Keras's initialisers.
mod model;
/// Notebooks written, run and read by the tests.
mod notebook;
/// Every notebook, from top to bottom, with few epochs.
mod notebooks;
/// Pictures of the user's own.
mod picture;
/// Figures, read back: the SVG as XML, the PNG as pixels.
mod plots;
/// Scaling, splits.
mod preprocess;
/// Many runs: found again, shared, interrupted, diverged.
mod sweep;
/// Whole runs: over-fitting, early stopping, divergence, the same bits on 1 and 2 threads.
mod training;

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
