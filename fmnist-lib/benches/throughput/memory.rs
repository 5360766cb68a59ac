//! Peak resident memory of training, each network in a process of its own.

use std::process::Command;
use std::{env, fs};

use fmnist_lib::{FashionMnist, FitConfig, Split, Verbose, evaluate, fit};

use crate::peers::{Python, SharedData};
use crate::sample::{cells, print_table};
use crate::{BATCH, Options, Peer, Result, data, on_threads, spec};

/// Enough that all memory has been used once: later steps reuse it.
const STEPS: usize = 6;
const MEGABYTE: f64 = 1e6;

/// The peak resident memory of a process, in bytes; `None` where the system does not tell.
pub(crate) fn peak_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// In the child: a run as a user would do it, and the peak after each of its parts.
pub(crate) fn train_and_report(layers: u8, threads: usize) -> Result<()> {
    let tell = |part: &str| {
        if let Some(bytes) = peak_of("self") {
            println!("{part}\t{bytes}");
        }
    };
    let data = FashionMnist::load()?;
    let (train, validation) = Split::new(0.8, 42).apply(&data.train)?;
    tell("60,000 + 10,000 images loaded and split");
    let mut model = spec(layers).build(42)?;
    let config = FitConfig::default().epochs(1).verbose(Verbose::Silent);
    on_threads(threads, || -> Result<()> {
        fit(&mut model, &train.take(STEPS * BATCH), None, config)?;
        tell("and trained");
        evaluate(&model, &validation)?;
        tell("and validated");
        Ok(())
    })
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("## Peak memory\n\nMB (10⁶ bytes) resident, training with batches of {BATCH}.\n");
    let mut rows = Vec::new();
    for &layers in &options.models {
        let child = Command::new(env::current_exe()?)
            .args(["--memory-of", &layers.to_string()])
            .args(["--threads", &options.threads().to_string()])
            .output()?;
        if !child.status.success() {
            let words = String::from_utf8_lossy(&child.stderr);
            println!("fmnist-lib was not measured: {}\n", words.trim());
            return Ok(());
        }
        for line in String::from_utf8(child.stdout)?.lines() {
            let (part, bytes) = line.split_once('\t').ok_or("the child printed no table")?;
            let megabytes = bytes.parse::<f64>()? / MEGABYTE;
            let name = format!("fmnist-lib, {}: {part}", spec(layers).name());
            rows.push(cells![name, format!("{megabytes:.0}")]);
        }
    }
    let shared = SharedData::new(&data::load()?)?;
    for peer in options.peers() {
        let script = match peer {
            Peer::Keras => "peer_keras.py",
            Peer::Torch => "peer_torch.py",
            Peer::Candle => continue,
        };
        // The table of speeds has said why one is missing.
        let python = Python::start(&options.python(), script, &shared, options.threads());
        if let (Ok(mut python), Some(&layers)) = (python, options.models.iter().max())
            && let Some(bytes) = python.peak_memory(layers, STEPS)?
        {
            let name = format!("{}, {}: trained", python.name, spec(layers).name());
            rows.push(cells![name, format!("{:.0}", bytes as f64 / MEGABYTE)]);
        }
    }
    print_table(&["Process", "peak MB"].map(str::to_owned), &rows);
    Ok(())
}
