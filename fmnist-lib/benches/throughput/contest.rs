//! Images per second of training each network: ours, Keras's, PyTorch's, stock Candle's.

use std::thread::sleep;
use std::time::Duration;

use fmnist_lib::candle_core;
use fmnist_lib::{Dataset, FitConfig, Model, Verbose, fit};

use crate::candle::Stock;
use crate::peers::{Python, SharedData};
use crate::sample::{Sample, cells, print_table};
use crate::{BATCH, Options, Peer, Result, data, on_threads, spec};

/// Steps that stock Candle is measured over: it is slow, and its speed steady.
const CANDLE_STEPS: usize = 3;

enum Contestant {
    Ours(Vec<Model>),
    Python(Python),
    Candle(Vec<Stock>),
}

impl Contestant {
    fn name(&self) -> &str {
        match self {
            Self::Ours(_) => "fmnist-lib",
            Self::Python(python) => &python.name,
            Self::Candle(_) => "stock Candle",
        }
    }

    /// Images per second over `steps` steps of the network with `layers` convolutions.
    fn train(&mut self, layers: u8, steps: usize, data: &Dataset, threads: usize) -> Result<f64> {
        let index = usize::from(layers) - 1;
        match self {
            Self::Ours(models) => {
                let images = data.take(steps * BATCH);
                on_threads(threads, || {
                    images_per_second(&mut models[index], &images, BATCH)
                })
            }
            Self::Python(python) => python.train(layers, steps),
            Self::Candle(models) => {
                let images = data.take(steps.min(CANDLE_STEPS) * BATCH);
                on_threads(threads, || Ok(models[index].images_per_second(&images)?))
            }
        }
    }
}

/// Images per second of one epoch: batches, both passes, loss, Adam.
pub(crate) fn images_per_second(model: &mut Model, images: &Dataset, batch: usize) -> Result<f64> {
    let config = FitConfig::default()
        .epochs(1)
        .batch_size(batch)
        .verbose(Verbose::Silent);
    let run = fit(model, images, None, config)?;
    Ok(run
        .history
        .last()
        .map_or(f64::NAN, |epoch| epoch.images_per_second))
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let data = data::load()?;
    let shared = SharedData::new(&data)?;
    let mut contestants = contestants(options, &shared)?;
    let count = contestants.len();
    let mut samples = vec![vec![Sample::default(); count]; options.models.len()];
    // Round 0 warms up: memory, compilers, caches.
    for round in 0..=options.rounds {
        let steps = if round == 0 { 2 } else { options.steps };
        for (&layers, samples) in options.models.iter().zip(&mut samples) {
            for turn in 0..count {
                // Each is the first in turn; idle threads of the one before have gone to sleep.
                let which = (turn + round) % count;
                sleep(Duration::from_millis(300));
                let speed = contestants[which].train(layers, steps, &data, options.threads())?;
                if round > 0 {
                    samples[which].push(speed);
                }
            }
        }
        eprintln!("speed: round {round} of {}", options.rounds);
    }
    println!(
        "## Training speed\n\nImages per second; {} rounds of {} steps of {BATCH} images.\n",
        options.rounds, options.steps
    );
    print_speeds(options, &contestants, &samples);
    if count > 1 {
        print_ratios(options, &contestants, &samples);
    }
    Ok(())
}

fn contestants(options: &Options, shared: &SharedData) -> Result<Vec<Contestant>> {
    let models = (1..=3).map(|layers| spec(layers).build(0));
    let mut all = vec![Contestant::Ours(models.collect::<fmnist_lib::Result<_>>()?)];
    for peer in options.peers() {
        let script = match peer {
            Peer::Keras => "peer_keras.py",
            Peer::Torch => "peer_torch.py",
            Peer::Candle => {
                let models = (1..=3).map(Stock::new);
                all.push(Contestant::Candle(
                    models.collect::<candle_core::Result<_>>()?,
                ));
                continue;
            }
        };
        match Python::start(&options.python(), script, shared, options.threads()) {
            Ok(python) => all.push(Contestant::Python(python)),
            Err(problem) => println!("Not compared with {script}: {problem}\n"),
        }
    }
    Ok(all)
}

fn print_speeds(options: &Options, contestants: &[Contestant], samples: &[Vec<Sample>]) {
    let mut header = cells!["Network"];
    header.extend(contestants.iter().map(|one| one.name().to_owned()));
    let rows = options
        .models
        .iter()
        .zip(samples)
        .map(|(&layers, samples)| {
            let mut row = cells![spec(layers).name()];
            row.extend(samples.iter().map(|sample| format!("{sample:.0}")));
            row
        });
    print_table(&header, &rows.collect::<Vec<_>>());
}

/// How many times as fast as each other we are, round by round.
fn print_ratios(options: &Options, contestants: &[Contestant], samples: &[Vec<Sample>]) {
    let mut header = cells!["fmnist-lib over"];
    header.extend((1..=options.rounds).map(|round| format!("round {round}")));
    header.push("median".to_owned());
    let mut rows = Vec::new();
    for (&layers, samples) in options.models.iter().zip(samples) {
        let mut row = |name: &str, other: &Sample| {
            let ratio = samples[0].over(other);
            let mut row = vec![format!("{name}, {}", spec(layers).name())];
            row.extend(ratio.0.iter().map(|ratio| format!("{ratio:.2}")));
            row.push(format!("**{:.2}**", ratio.median()));
            rows.push(row);
        };
        let others = || contestants.iter().zip(samples).skip(1);
        others().for_each(|(other, sample)| row(other.name(), sample));
        let mut pythons = others().filter(|(other, _)| matches!(other, Contestant::Python(_)));
        if let (Some((_, a)), Some((_, b))) = (pythons.next(), pythons.next()) {
            row("the faster of both", &a.max(b));
        }
    }
    print_table(&header, &rows);
}
