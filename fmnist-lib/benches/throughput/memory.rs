//! Peak resident memory of training, each network in a process of its own.

use std::process::Command;
use std::{env, fs};

use fmnist_lib::{FitConfig, Split, Verbose, fit};

use crate::networks::Network;
use crate::peers::{Peer, SharedData};
use crate::sample::{cells, print_table};
use crate::{BATCH, Options, Result, data, on_threads};

/// Enough that all memory has been used once: later steps reuse it.
const STEPS: usize = 6;

/// The peak resident memory of a process, in bytes; `None` where the system does not tell.
pub(crate) fn peak_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// In the child: a run as a user would do it, and the peak when all memory has been used.
pub(crate) fn train_and_report(network: &Network, threads: usize) -> Result<()> {
    let data = data::load()?;
    let (train, validation) = Split::new(0.8, 42).apply(&data)?;
    let mut model = network.spec.build(42)?;
    let config = FitConfig::default()
        .loss(network.loss.clone())
        .epochs(1)
        .verbose(Verbose::Silent);
    on_threads(threads, || -> Result<()> {
        fit(
            &mut model,
            &train.take(STEPS * BATCH),
            &validation.take(STEPS * BATCH),
            config,
        )?;
        Ok(())
    })?;
    println!("{}", peak_of("self").ok_or("this system does not tell")?);
    Ok(())
}

pub(crate) fn run(options: &Options, networks: &[Network]) -> Result<()> {
    let shared = SharedData::new(&data::load()?)?;
    let mut header = cells!["Network", "fmnist-lib"];
    let mut peers = Vec::new();
    for &peer in options.peers() {
        // The table of speeds has said why one is missing.
        if let Ok(process) = peer.start(options, &shared) {
            header.push(process.name.clone());
            peers.push(peer);
        }
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for network in networks {
        let mut row = cells![network.name()];
        let peaks = peaks(options, network, &peers, &shared)?.into_iter();
        row.extend(peaks.map(|peak| peak.map_or("-".to_owned(), megabytes)));
        rows.push(row);
    }
    println!("## Peak memory\n\nMB (10⁶ bytes) resident, training with batches of {BATCH}.\n");
    print_table(&header, &rows);
    Ok(())
}

/// Peak memory in bytes of processes that train `network`: ours, then those of the peers that can.
pub(crate) fn peaks(
    options: &Options,
    network: &Network,
    peers: &[Peer],
    shared: &SharedData,
) -> Result<Vec<Option<u64>>> {
    let mut peaks = vec![Some(ours(options, network.name())?)];
    for peer in peers {
        peaks.push(match peer.lacks_instructions() {
            true => None,
            false => {
                let mut process = peer.start(options, shared)?;
                process.peak_memory(network.name(), STEPS)?
            }
        });
    }
    Ok(peaks)
}

/// Peak memory in bytes of a process that trains one of our networks.
fn ours(options: &Options, name: &str) -> Result<u64> {
    let child = Command::new(env::current_exe()?)
        .args(["--memory-of", name])
        .args(["--threads", &options.threads().to_string()])
        .output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into());
    }
    let told = String::from_utf8(child.stdout)?;
    Ok(told.lines().last().unwrap_or_default().parse()?)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / 1e6)
}
