//! Speed and memory of the zoo's networks beside those of the peers, in one table: the README's.

use crate::contest::{self, count, fastest};
use crate::contestants::Contestant;
use crate::networks::Network;
use crate::peers::{Peer, SharedData};
use crate::sample::{cells, print_table, thousands};
use crate::{BATCH, Options, Result, data, memory};

pub(crate) fn run(options: &Options, networks: &[Network]) -> Result<()> {
    let data = data::load()?;
    let shared = SharedData::new(&data)?;
    // Stock Candle has no kernels for most of these.
    let mut peers = options.peers().to_vec();
    peers.retain(|peer| *peer != Peer::Candle);
    let mut contestants = Contestant::all(options, &peers, &shared);
    let samples = contest::measure(options, networks, &mut contestants, &data)?;

    let names: Vec<String> = contestants.iter().map(Contestant::name).collect();
    let titles: Vec<String> = contestants.iter().map(Contestant::title).collect();
    let peers: Vec<Peer> = contestants.iter().filter_map(Contestant::peer).collect();
    let [in_f32, in_bf16] = count(&contestants);
    let over = if in_f32 == 2 { "faster" } else { "fastest" };
    let mut header = cells!["Network"];
    header.extend(titles.clone());
    let ratios = [
        (in_f32 > 0, format!("over the {over} peer")),
        (in_bf16 > 0, "bf16 too".to_owned()),
    ];
    let ratios = ratios.map(|(wanted, title)| wanted.then(|| header.push(title)).is_some());
    header.push(format!(
        "peak memory, MB: {}",
        titles.join(", ").replacen("fmnist-lib", "ours", 1)
    ));

    let mut rows = Vec::new();
    for (network, samples) in networks.iter().zip(samples) {
        let mut row = cells![network.name()];
        row.extend(samples.iter().map(|sample| thousands(sample.median())));
        let over = [false, true].map(|bf16_too| {
            let peer = fastest(&contestants, &samples, bf16_too);
            peer.map_or(f64::NAN, |peer| samples[0].over(&peer).median())
        });
        let wanted = ratios.into_iter().zip(over).filter(|(wanted, _)| *wanted);
        row.extend(wanted.map(|(_, ratio)| format!("{ratio:.1}×")));
        rows.push((over[0], row));
    }
    // What follows has the machine's memory to itself.
    drop(contestants);
    for (network, (_, row)) in networks.iter().zip(&mut rows) {
        let peaks = memory::peaks(options, network, &peers, &shared)?;
        let megabytes = |peak: Option<u64>| thousands(peak.map_or(f64::NAN, |it| it as f64 / 1e6));
        row.push(
            peaks
                .into_iter()
                .map(megabytes)
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    println!(
        "## The zoo\n\nTraining with Adam, images per second, batches of {BATCH}; medians of {} rounds of at most \
         {} steps. {}.\n",
        options.rounds,
        options.steps,
        names.join(", "),
    );
    print_table(
        &header,
        &rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
    );
    Ok(())
}
