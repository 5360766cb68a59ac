//! Where the time of a training step goes, kernel by kernel, beside the machine's matrix products.

use std::time::{Duration, Instant};

use fmnist_lib::candle_core::{Device, Tensor};

use crate::networks::Network;
use crate::{BATCH, Options, Result, data, on_threads};

/// A product is repeated for at least this long.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

pub(crate) fn run(options: &Options, networks: &[Network]) -> Result<()> {
    let images = data::load()?.take(BATCH);
    on_threads(options.threads(), || {
        let peak = product_speed(1024)?.max(product_speed(2048)?);
        println!(
            "## Layers\n\nGFLOP/s count what the direct algorithm would do, so a Winograd convolution may pass the \
             machine's peak: {peak:.0} GFLOP/s, the faster of 1024³ and 2048³ matrix products (`gemm`).\n"
        );
        for network in networks {
            println!("{}", network.spec.build(0)?.profile(&images)?);
        }
        Ok(())
    })
}

/// GFLOP/s of Candle's product of two square matrices (the `gemm` crate).
fn product_speed(side: usize) -> Result<f64> {
    let draw = || Tensor::rand(-1_f32, 1.0, (side, side), &Device::Cpu);
    let (a, b) = (draw()?, draw()?);
    a.matmul(&b)?;
    let (start, mut products) = (Instant::now(), 0);
    while start.elapsed() < LONG_ENOUGH {
        a.matmul(&b)?;
        products += 1;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(products);
    Ok(2.0 * (side as f64).powi(3) / seconds / 1e9)
}
