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

mod burn;
mod candle;
mod contest;
mod contestants;
mod data;
mod layers;
mod machine;
mod memory;
mod networks;
mod peers;
mod sample;
mod scaling;
mod zoo;

use std::process::ExitCode;
use std::{env, thread};

use clap::{Parser, ValueEnum};
use fmnist_kernels as kernels;
use machine::{load_average, processor};
use networks::Network;
use peers::Peer;

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
    /// Most steps of 512 images in each measurement of a network; one that is slow has fewer
    #[arg(long, default_value_t = 47)]
    steps: usize,
    /// Networks, by name [default: all of those that a table is for]
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
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
    memory_of: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Section {
    /// Images per second of the report's networks, beside Keras, PyTorch and stock Candle
    Speed,
    /// Images per second and peak memory of the zoo's networks, beside those of the peers: half an hour for two
    Zoo,
    /// Forward and backward time of each layer, of the zoo as well
    Layers,
    /// Batch sizes and threads
    Scaling,
    /// Peak memory
    Memory,
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
    if let Some(name) = &options.memory_of {
        let mut all = networks::report().into_iter().chain(networks::zoo());
        let network = all.find(|network| network.name() == name);
        let network = network.ok_or("there is no such network")?;
        return memory::train_and_report(&network, options.threads());
    }
    if !options.bench {
        options.only = vec![Section::Speed];
        options.models = vec!["1_Layer".to_owned()];
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
            Section::Speed => contest::run(&options, &options.report()?)?,
            Section::Zoo => zoo::run(&options, &options.zoo()?)?,
            Section::Layers => layers::run(&options, &options.all()?)?,
            Section::Scaling => scaling::run(&options)?,
            Section::Memory => memory::run(&options, &options.report()?)?,
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

    /// Of the report's networks, those to be measured.
    fn report(&self) -> Result<Vec<Network>> {
        self.chosen(networks::report())
    }

    /// Of the zoo's networks, those to be measured.
    fn zoo(&self) -> Result<Vec<Network>> {
        self.chosen(networks::zoo())
    }

    /// Of all networks, those to be measured.
    fn all(&self) -> Result<Vec<Network>> {
        self.chosen(
            networks::report()
                .into_iter()
                .chain(networks::zoo())
                .collect(),
        )
    }

    fn chosen(&self, networks: Vec<Network>) -> Result<Vec<Network>> {
        if self.models.is_empty() {
            return Ok(networks);
        }
        let known: Vec<String> = networks.iter().map(|it| it.name().to_owned()).collect();
        if let Some(unknown) = self.models.iter().find(|name| !known.contains(name)) {
            return Err(format!("there is no {unknown} among {}", known.join(", ")).into());
        }
        let chosen = |network: &Network| self.models.iter().any(|name| name == network.name());
        Ok(networks.into_iter().filter(chosen).collect())
    }

    fn peers(&self) -> &[Peer] {
        if self.no_peers { &[] } else { &self.peers }
    }
}

/// Runs `work` with `threads` threads.
fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    pool.install(work)
}
