//! Where several processes pay: for each network of `examples/zoo`, what a step computes beside what it sends, and what
//! follows for 4 and 16 processes over three kinds of network cables, as a Markdown table.
//!
//! ```sh
//! RAYON_NUM_THREADS=1 cargo run --release --example scaling
//! ```
//!
//! Parameters and multiplications are those of the networks' summaries; a training step takes the multiplications three
//! times, forward once and backward twice. How long that takes is measured here, on as many threads as each process
//! is to have. Sending is on paper: `N` processes each send (and get) `2 (N - 1) / N` times the gradients, and wait for
//! each other three times in a step and twice more in each batch normalisation, which costs `log2 N` times the cable's
//! latency each. That a smaller part of a batch computes less efficiently, and what the optimiser costs, is left out.

#[allow(
    dead_code,
    reason = "of a recipe, the network and the batch size play a part"
)]
#[path = "zoo/networks.rs"]
mod networks;

use clap::Parser;
use fmnist_lib::{Dataset, ModelSpec, PIXELS, Result, one_layer, three_layer, two_layer};

#[derive(Parser)]
#[command(about = "Prints where training in several processes pays, and where it cannot.")]
struct Options {
    /// The networks, by name; all of them if not given.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Images of a step; by default as many as each recipe has
    #[arg(long)]
    batch_size: Option<usize>,
}

/// What connects processes.
struct Cable {
    name: &'static str,
    bytes_per_second: f64,
    /// Seconds for a message of no length.
    latency: f64,
}

const CABLES: [Cable; 3] = [
    Cable {
        name: "1 Gbit/s",
        bytes_per_second: 1e9 / 8.0,
        latency: 50e-6,
    },
    Cable {
        name: "10 Gbit/s",
        bytes_per_second: 1e10 / 8.0,
        latency: 20e-6,
    },
    Cable {
        name: "100 Gbit/s",
        bytes_per_second: 1e11 / 8.0,
        latency: 2e-6,
    },
];

const PROCESSES: [usize; 2] = [4, 16];

/// What one step of a network is.
struct Step {
    /// Of the gradients.
    bytes: f64,
    multiplications: f64,
    /// Layers that measure the batch, for which all processes wait.
    norms: usize,
    /// In one process.
    seconds: f64,
}

impl Step {
    /// How many times as fast `processes` are as one.
    fn gain(&self, processes: usize, cable: &Cable) -> f64 {
        let count = processes as f64;
        let sending = 2.0 * self.bytes * (count - 1.0) / count / cable.bytes_per_second;
        let waiting = (3 + 2 * self.norms) as f64 * count.log2() * cable.latency;
        self.seconds / (self.seconds / count + sending + waiting)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let of_report = [one_layer(), two_layer(), three_layer()].map(|spec| (spec, 512));
    let of_zoo = networks::all().into_iter();
    let of_zoo = of_zoo.map(|recipe| (recipe.spec, recipe.config.batch_size));
    let gains = CABLES
        .iter()
        .flat_map(|cable| PROCESSES.map(|processes| format!("{processes} at {}", cable.name)));
    let head = [
        "Network",
        "Images a step",
        "Parameters",
        "Gradients (MB)",
        "Multiplications a step (G)",
        "Multiplications for each byte sent",
        "A step here (ms)",
    ];
    let head: Vec<String> = head.map(str::to_owned).into_iter().chain(gains).collect();
    println!(
        "| {} |\n|---{}|",
        head.join(" | "),
        "|--:".repeat(head.len() - 1)
    );
    for (spec, batch_size) in of_report.into_iter().chain(of_zoo) {
        if options.models.is_empty() || options.models.iter().any(|name| name == spec.name()) {
            row(&spec, options.batch_size.unwrap_or(batch_size))?;
        }
    }
    Ok(())
}

fn row(spec: &ModelSpec, batch_size: usize) -> Result<()> {
    let summary = spec.summary()?;
    let parameters = summary.parameters() - summary.not_trainable();
    let norms = summary
        .rows
        .iter()
        .filter(|row| row.kind == "BatchNormalization");
    // What the pixels are makes no difference to the time.
    let pixels = (0..batch_size * PIXELS)
        .map(|at| (at * 7919 % 251) as u8)
        .collect();
    let images = Dataset::new(pixels, vec![0; batch_size])?;
    let step = Step {
        bytes: (parameters * size_of::<f32>()) as f64,
        multiplications: (3 * summary.multiplications() * batch_size) as f64,
        norms: norms.count(),
        seconds: spec.build(1)?.profile(&images)?.time().as_secs_f64(),
    };
    let gains = CABLES.iter().flat_map(|cable| {
        let step = &step;
        PROCESSES.map(|processes| format!("{:.1}", step.gain(processes, cable)))
    });
    println!(
        "| {} | {batch_size} | {parameters} | {:.2} | {:.2} | {:.0} | {:.1} | {} |",
        spec.name(),
        step.bytes / 1e6,
        step.multiplications / 1e9,
        step.multiplications / (2.0 * step.bytes),
        1e3 * step.seconds,
        gains.collect::<Vec<String>>().join(" | ")
    );
    Ok(())
}
