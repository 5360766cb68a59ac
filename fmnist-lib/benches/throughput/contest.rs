//! Images per second of training each network: ours, those of the peers, stock Candle's.

use std::thread::sleep;
use std::time::Duration;

use fmnist_lib::Dataset;

use crate::contestants::Contestant;
use crate::networks::Network;
use crate::peers::SharedData;
use crate::sample::{Sample, cells, print_table};
use crate::{BATCH, Options, Result, data};

/// A measurement takes about as long, unless that is less than a step or more than all steps.
const SECONDS: f64 = 3.0;

pub(crate) fn run(options: &Options, networks: &[Network]) -> Result<()> {
    let data = data::load()?;
    let shared = SharedData::new(&data)?;
    let mut contestants = Contestant::all(options, options.peers(), &shared);
    let samples = measure(options, networks, &mut contestants, &data)?;
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

/// The speed of each contestant in each round, for each network.
pub(crate) fn measure(
    options: &Options,
    networks: &[Network],
    contestants: &mut [Contestant],
    data: &Dataset,
) -> Result<Vec<Vec<Sample>>> {
    let mut all = Vec::new();
    for network in networks {
        let samples = measure_one(options, network, contestants, data)?;
        eprint!("{}:", network.name());
        for (contestant, sample) in contestants.iter().zip(&samples) {
            eprint!(" {} {sample:.0};", contestant.title());
        }
        eprintln!();
        all.push(samples);
    }
    Ok(all)
}

fn measure_one(
    options: &Options,
    network: &Network,
    contestants: &mut [Contestant],
    data: &Dataset,
) -> Result<Vec<Sample>> {
    let count = contestants.len();
    let mut samples = vec![Sample::default(); count];
    let mut steps = vec![2; count];
    for contestant in &mut *contestants {
        contestant.check(network)?;
    }
    // Round 0 warms up: memory, compilers, caches. Round 1 tells how many steps fill the time.
    for round in 0..options.rounds + 2 {
        for turn in 0..count {
            // Each is the first in turn; idle threads of the one before have gone to sleep.
            let which = (turn + round) % count;
            sleep(Duration::from_millis(300));
            let contestant = &mut contestants[which];
            let speed = contestant.train(network, steps[which], data, options.threads())?;
            let Some(speed) = speed else { continue };
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

/// The fastest peer in each round, in f32 or in `bf16_too`; `None` without peers.
pub(crate) fn fastest(
    contestants: &[Contestant],
    samples: &[Sample],
    bf16_too: bool,
) -> Option<Sample> {
    let counts = |one: &Contestant| one.peer().is_some_and(|peer| bf16_too || !peer.is_bf16());
    contestants
        .iter()
        .zip(samples)
        .filter(|(one, sample)| counts(one) && !sample.is_empty())
        .map(|(_, sample)| sample.clone())
        .reduce(|a, b| a.max(&b))
}

/// How many peers there are in f32, and in bf16.
pub(crate) fn count(contestants: &[Contestant]) -> [usize; 2] {
    let peers = || contestants.iter().filter_map(Contestant::peer);
    let bf16 = peers().filter(|peer| peer.is_bf16()).count();
    [peers().count() - bf16, bf16]
}

fn print_speeds(networks: &[Network], contestants: &[Contestant], samples: &[Vec<Sample>]) {
    let mut header = cells!["Network"];
    header.extend(contestants.iter().map(Contestant::name));
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
    let [in_f32, in_bf16] = count(contestants);
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
        let others = contestants.iter().zip(samples).skip(1);
        let measured = others.filter(|(_, sample)| !sample.is_empty());
        measured.for_each(|(other, sample)| row(&other.name(), sample));
        if let (2.., Some(peer)) = (in_f32, fastest(contestants, samples, false)) {
            let name = if in_f32 == 2 {
                "the faster of both"
            } else {
                "the fastest peer"
            };
            row(name, &peer);
        }
        if let (1.., Some(peer)) = (in_bf16, fastest(contestants, samples, true)) {
            row("the fastest peer, bf16 too", &peer);
        }
    }
    print_table(&header, &rows);
}
