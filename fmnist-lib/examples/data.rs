//! Loads Fashion-MNIST, and downloads it where this machine has it nowhere: before a journey, say.
//!
//! ```sh
//! cargo run --release --example data
//! ```

use std::process::ExitCode;

use clap::Parser;
use fmnist_lib::{FashionMnist, Result, TrainTest};

/// Loads Fashion-MNIST, and downloads it where this machine has it nowhere.
#[derive(Parser)]
struct Options {
    /// Download it in any case, or take what an earlier download left in Hugging Face's cache.
    #[arg(long)]
    download: bool,
}

fn main() -> ExitCode {
    match load(&Options::parse()) {
        Ok(data) => {
            println!(
                "Fashion-MNIST is here: {} images to train with, {} to test with.",
                data.train.len(),
                data.test.len()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn load(options: &Options) -> Result<TrainTest> {
    match options.download {
        true => FashionMnist::download(),
        false => FashionMnist::load(),
    }
}
