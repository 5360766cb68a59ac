//! What batch size and threads do to the speed.

use crate::contestants::images_per_second;
use crate::sample::{Sample, cells, print_table};
use crate::{Options, Result, data, on_threads};

const BATCHES: [usize; 5] = [1, 32, 128, 512, 2048];

pub(crate) fn run(options: &Options) -> Result<()> {
    let data = data::load()?;
    let mut threads = vec![1, options.threads()];
    threads.dedup();
    let networks = options.report()?;
    let mut samples = Vec::new();
    for network in &networks {
        for &threads in &threads {
            samples.push((network, threads, vec![Sample::default(); BATCHES.len()]));
        }
    }
    for round in 1..=options.rounds {
        for (network, threads, samples) in &mut samples {
            let mut model = network.spec.build(0)?;
            for (batch, sample) in BATCHES.into_iter().zip(samples) {
                let (first, images) = (data.take(batch), data.take((2 * batch).clamp(128, 4096)));
                let speed = on_threads(*threads, || -> Result<f64> {
                    // The first step of a new size takes the memory.
                    images_per_second(&mut model, &first, batch, network.loss.clone())?;
                    images_per_second(&mut model, &images, batch, network.loss.clone())
                })?;
                sample.push(speed);
            }
        }
        eprintln!("scaling: round {round} of {}", options.rounds);
    }
    println!("## Batch size and threads\n\nImages per second while training.\n");
    let mut header = cells!["Network", "threads"];
    header.extend(BATCHES.map(|batch| format!("batch {batch}")));
    let rows = samples.iter().map(|(network, threads, samples)| {
        let mut row = cells![network.name(), threads];
        row.extend(samples.iter().map(|sample| format!("{sample:.0}")));
        row
    });
    print_table(&header, &rows.collect::<Vec<_>>());
    Ok(())
}
