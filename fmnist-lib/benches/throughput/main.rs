//! How fast the report's networks train on this machine, as Markdown tables.
//!
//! ```text
//! cargo bench                                        everything, about 15 minutes on two cores
//! cargo bench -- --only speed --python venv/bin/python
//! cargo bench -- --help
//! ```
//!
//! Whatever is compared is measured in turn, round after round, so that a disturbance meets all
//! alike; tables give medians, with the lowest and highest in brackets. Nothing here passes or fails.

mod candle;
mod contest;
mod data;
mod layers;
mod memory;
mod peers;
mod sample;
mod scaling;

use std::process::ExitCode;
use std::{env, fs, thread};

use clap::{Parser, ValueEnum};
use fmnist_kernels as kernels;
use fmnist_lib::{ModelSpec, one_layer, three_layer, two_layer};

/// Any error: the reader of the tables is a person.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The report's batch size.
const BATCH: usize = 512;

#[derive(Parser)]
#[command(about = "How fast the report's networks train on this machine, as Markdown tables")]
struct Options {
    /// Tables to make
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "speed,layers,scaling,memory"
    )]
    only: Vec<Section>,
    /// Measurements of each figure
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Steps of 512 images in each measurement of a network
    #[arg(long, default_value_t = 47)]
    steps: usize,
    /// Networks: 1, 2, 3 for 1_Layer, 2_Layer, 3_layer
    #[arg(long, value_delimiter = ',', default_value = "1,2,3", value_parser = clap::value_parser!(u8).range(1..=3))]
    models: Vec<u8>,
    /// Threads for everything measured [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// What to compare with
    #[arg(long, value_delimiter = ',', default_value = "keras,torch,candle")]
    peers: Vec<Peer>,
    /// Compare with nothing
    #[arg(long)]
    no_peers: bool,
    /// Python with TensorFlow and Keras, or PyTorch [default: FMNIST_PYTHON, or python3]
    #[arg(long)]
    python: Option<String>,
    /// Measure; without it (as in `cargo test --all-targets`) one step shows that all works
    #[arg(long)]
    bench: bool,
    /// Train this network, print the peak memory, and end
    #[arg(long, hide = true)]
    memory_of: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Section {
    /// Images per second, beside Keras, PyTorch and stock Candle
    Speed,
    /// Forward and backward time of each layer
    Layers,
    /// Batch sizes and threads
    Scaling,
    /// Peak memory
    Memory,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Peer {
    Keras,
    Torch,
    Candle,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut options: Options) -> Result<()> {
    if let Some(layers) = options.memory_of {
        return memory::train_and_report(layers, options.threads());
    }
    if !options.bench {
        options.only = vec![Section::Speed];
        options.models = vec![1];
        (options.rounds, options.steps, options.no_peers) = (1, 1, true);
    }
    println!(
        "fmnist-lib {}, {} kernels, {} threads of {}, load average at the start {}\n",
        env!("CARGO_PKG_VERSION"),
        kernels::Isa::best().name(),
        options.threads(),
        processor(),
        load_average(),
    );
    for section in &options.only {
        match section {
            Section::Speed => contest::run(&options)?,
            Section::Layers => layers::run(&options)?,
            Section::Scaling => scaling::run(&options)?,
            Section::Memory => memory::run(&options)?,
        }
    }
    println!("Load average at the end {}.", load_average());
    Ok(())
}

impl Options {
    fn threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, Into::into);
        self.threads.unwrap_or_else(cores)
    }

    fn python(&self) -> String {
        let found = self
            .python
            .clone()
            .or_else(|| env::var("FMNIST_PYTHON").ok());
        found.unwrap_or_else(|| "python3".to_owned())
    }

    fn peers(&self) -> &[Peer] {
        if self.no_peers { &[] } else { &self.peers }
    }
}

/// The network with `layers` convolutions.
fn spec(layers: u8) -> ModelSpec {
    [one_layer, two_layer, three_layer][usize::from(layers) - 1]()
}

/// Runs `work` with `threads` threads.
fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    pool.install(work)
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    name.unwrap_or(env::consts::ARCH).to_owned()
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .filter(|word| !word.is_empty())
        .unwrap_or("unknown")
        .to_owned()
}
