//! Images per second of training each network: ours, Keras's, PyTorch's, stock Candle's.

use std::thread::sleep;
use std::time::Duration;

use fmnist_lib::{AnyLoss, Dataset, FitConfig, Model, Verbose, fit};

use crate::candle::Stock;
use crate::networks::Network;
use crate::peers::{Python, SharedData};
use crate::sample::{Sample, cells, print_table};
use crate::{BATCH, Options, Peer, Result, data, on_threads};

/// A measurement takes about as long, unless that is less than a step or more than all steps.
const SECONDS: f64 = 3.0;

enum Contestant {
    Ours(Option<Box<Model>>),
    Python(Python),
    Candle(Option<Stock>),
}

impl Contestant {
    fn name(&self) -> &str {
        match self {
            Self::Ours(_) => "fmnist-lib",
            Self::Python(python) => &python.name,
            Self::Candle(_) => "stock Candle",
        }
    }

    /// Gives the memory of a network back.
    fn forget(&mut self) {
        match self {
            Self::Ours(model) => *model = None,
            Self::Candle(model) => *model = None,
            Self::Python(_) => {} // It forgets by itself when asked for another network.
        }
    }

    /// Images per second over `steps` steps of `network`.
    fn train(
        &mut self,
        network: &Network,
        steps: usize,
        data: &Dataset,
        threads: usize,
    ) -> Result<f64> {
        let images = data.take(steps * BATCH);
        match self {
            Self::Ours(model) => {
                let model = match model {
                    Some(model) => model,
                    None => model.insert(Box::new(network.spec.build(0)?)),
                };
                let loss = network.loss.clone();
                on_threads(threads, || images_per_second(model, &images, BATCH, loss))
            }
            Self::Python(python) => python.train(network.name(), steps),
            Self::Candle(model) => {
                let model = match model {
                    Some(model) => model,
                    None => model.insert(Stock::new(network.name())?),
                };
                on_threads(threads, || Ok(model.images_per_second(&images)?))
            }
        }
    }
}

/// Images per second of one epoch: batches, both passes, loss, Adam.
pub(crate) fn images_per_second(
    model: &mut Model,
    images: &Dataset,
    batch: usize,
    loss: AnyLoss,
) -> Result<f64> {
    let config = FitConfig::default()
        .loss(loss)
        .epochs(1)
        .batch_size(batch)
        .verbose(Verbose::Silent);
    let run = fit(model, images, None, config)?;
    Ok(run
        .history
        .last()
        .map_or(f64::NAN, |epoch| epoch.images_per_second))
}

pub(crate) fn run(options: &Options, networks: &[Network], peers: &[Peer]) -> Result<()> {
    let data = data::load()?;
    let shared = SharedData::new(&data)?;
    let mut contestants = contestants(options, peers, &shared)?;
    let mut samples = Vec::new();
    for network in networks {
        samples.push(measure(options, network, &mut contestants, &data)?);
        eprintln!("{}: {} rounds", network.name(), options.rounds);
    }
    println!(
        "## Training speed\n\nImages per second, batches of {BATCH}; {} rounds of at most {} steps.\n",
        options.rounds, options.steps
    );
    print_speeds(networks, &contestants, &samples);
    if contestants.len() > 1 {
        print_ratios(options, networks, &contestants, &samples);
    }
    Ok(())
}

/// The speed of each contestant in each round.
fn measure(
    options: &Options,
    network: &Network,
    contestants: &mut [Contestant],
    data: &Dataset,
) -> Result<Vec<Sample>> {
    let count = contestants.len();
    let mut samples = vec![Sample::default(); count];
    let mut steps = vec![2; count];
    // Round 0 warms up: memory, compilers, caches. Round 1 tells how many steps fill the time.
    for round in 0..options.rounds + 2 {
        for turn in 0..count {
            // Each is the first in turn; idle threads of the one before have gone to sleep.
            let which = (turn + round) % count;
            sleep(Duration::from_millis(300));
            let contestant = &mut contestants[which];
            let speed = contestant.train(network, steps[which], data, options.threads())?;
            if round > 1 {
                samples[which].push(speed);
            } else {
                steps[which] = ((SECONDS * speed) as usize / BATCH).clamp(2, options.steps.max(2));
            }
        }
    }
    contestants.iter_mut().for_each(Contestant::forget);
    Ok(samples)
}

fn contestants(options: &Options, peers: &[Peer], shared: &SharedData) -> Result<Vec<Contestant>> {
    let mut all = vec![Contestant::Ours(None)];
    for peer in peers {
        let script = match peer {
            Peer::Keras => "peer_keras.py",
            Peer::Torch => "peer_torch.py",
            Peer::Candle => {
                all.push(Contestant::Candle(None));
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

fn print_speeds(networks: &[Network], contestants: &[Contestant], samples: &[Vec<Sample>]) {
    let mut header = cells!["Network"];
    header.extend(contestants.iter().map(|one| one.name().to_owned()));
    let rows = networks.iter().zip(samples).map(|(network, samples)| {
        let mut row = cells![network.name()];
        row.extend(samples.iter().map(|sample| format!("{sample:.0}")));
        row
    });
    print_table(&header, &rows.collect::<Vec<_>>());
}

/// How many times as fast as each other we are, round by round.
fn print_ratios(
    options: &Options,
    networks: &[Network],
    contestants: &[Contestant],
    samples: &[Vec<Sample>],
) {
    let mut header = cells!["fmnist-lib over"];
    header.extend((1..=options.rounds).map(|round| format!("round {round}")));
    header.push("median".to_owned());
    let mut rows = Vec::new();
    for (network, samples) in networks.iter().zip(samples) {
        let mut row = |name: &str, other: &Sample| {
            let ratio = samples[0].over(other);
            let mut row = vec![format!("{name}, {}", network.name())];
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
