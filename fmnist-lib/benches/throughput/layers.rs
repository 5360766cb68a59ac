//! Forward and backward time of each layer's kernel, beside the machine's matrix products.

use std::time::{Duration, Instant};

use fmnist_kernels as kernels;
use fmnist_lib::candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::contest::images_per_second;
use crate::sample::{Sample, cells, print_table};
use crate::{BATCH, Options, Result, data, on_threads, spec};

/// Each measurement repeats a kernel for at least this long.
const LONG_ENOUGH: Duration = Duration::from_millis(50);

enum Kernel {
    ConvPool(kernels::ConvPool),
    Conv(kernels::Conv),
    Dense(kernels::Dense),
}

/// One layer with everything around it that its kernel does too, and memory for a batch.
struct Layer {
    name: &'static str,
    kernel: Kernel,
    relu: bool,
    rate: f64,
    x: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    y: Vec<f32>,
    dy: Vec<f32>,
    gradients: kernels::Gradients,
    codes: Vec<u8>,
    kept: Vec<u16>,
    forward: Sample,
    backward: Sample,
}

impl Layer {
    fn new(name: &'static str, kernel: Kernel, relu: bool, rate: f64) -> Self {
        let (input, output, weights, channels) = match &kernel {
            Kernel::ConvPool(k) => (k.input_len(), k.output_len(), 9 * k.channels, k.channels),
            Kernel::Conv(k) => (k.input_len(), k.output_len(), k.weights_len(), k.outputs),
            Kernel::Dense(k) => (k.inputs, k.outputs, k.inputs * k.outputs, k.outputs),
        };
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut noise = |length, low: f32, high| -> Vec<f32> {
            (0..length)
                .map(|_| random.random_range(low..high))
                .collect()
        };
        let pixels = BATCH * output / channels;
        let mut kept = vec![0; pixels * channels.div_ceil(16)];
        kernels::dropout_bits(kernels::Isa::best(), [0; 32], 0, rate, &mut kept);
        Self {
            name,
            kernel,
            relu,
            rate,
            x: noise(BATCH * input, 0.0, 1.0),
            weights: noise(weights, -0.1, 0.1),
            bias: noise(channels, -0.1, 0.1),
            y: Vec::new(),
            dy: noise(BATCH * output, -1.0, 1.0),
            gradients: kernels::Gradients::default(),
            codes: Vec::new(),
            kept,
            forward: Sample::default(),
            backward: Sample::default(),
        }
    }

    /// Multiplications and additions of the direct algorithm, forward and backward. The first
    /// layer's backward pass has weight gradients only, and from one position of four (the maximum);
    /// the others' does the forward's work twice, for weights and inputs.
    fn flops(&self) -> [f64; 2] {
        let [forward, backward] = match &self.kernel {
            Kernel::ConvPool(k) => {
                let (rows, columns) = k.pooled();
                let convolved = (k.height - 2) * (k.width - 2);
                [convolved, rows * columns].map(|positions| positions * 9 * k.channels)
            }
            Kernel::Conv(k) => {
                let (rows, columns) = k.output_size();
                [1, 2].map(|times| times * rows * columns * k.weights_len())
            }
            Kernel::Dense(k) => [1, 2].map(|times| times * k.inputs * k.outputs),
        };
        [forward, backward].map(|products| (2 * BATCH * products) as f64)
    }

    fn measure(&mut self) {
        let seconds = seconds_of(|| self.run_forward());
        self.forward.push(1e3 * seconds);
        let seconds = seconds_of(|| self.run_backward());
        self.backward.push(1e3 * seconds);
    }

    fn run_forward(&mut self) {
        let (isa, y) = (kernels::Isa::best(), &mut self.y);
        let operands = kernels::Forward {
            x: &self.x,
            weights: &self.weights,
            bias: &self.bias,
            activation: activation(self.relu, self.rate, &self.kept),
        };
        match &self.kernel {
            Kernel::ConvPool(k) => {
                let operands = kernels::ConvPoolForward {
                    x: operands.x,
                    weights: operands.weights,
                    bias: operands.bias,
                    dropout: operands.activation.dropout,
                };
                k.forward(isa, operands, y, &mut self.codes);
            }
            Kernel::Conv(k) => k.forward(isa, operands, y),
            Kernel::Dense(k) => k.forward(isa, operands, y),
        }
    }

    fn run_backward(&mut self) {
        let (isa, into) = (kernels::Isa::best(), &mut self.gradients);
        let activation = activation(self.relu, self.rate, &self.kept);
        let operands = kernels::Backward {
            x: &self.x,
            weights: &self.weights,
            y: &self.y,
            dy: &self.dy,
            activation,
            wants_input: true,
        };
        match &self.kernel {
            Kernel::ConvPool(k) => {
                let operands = kernels::ConvPoolBackward {
                    x: &self.x,
                    codes: &self.codes,
                    dy: &self.dy,
                    scale: activation.dropout.map_or(1.0, |dropout| dropout.scale),
                };
                k.backward(isa, operands, into);
            }
            Kernel::Conv(k) => k.backward(isa, operands, into),
            Kernel::Dense(k) => k.backward(isa, operands, into),
        }
    }
}

fn activation(relu: bool, rate: f64, kept: &[u16]) -> kernels::Activation<'_> {
    let scale = (1.0 / (1.0 - rate)) as f32;
    let dropout = (rate > 0.0).then_some(kernels::Dropout { kept, scale });
    kernels::Activation { relu, dropout }
}

/// Mean over as many repetitions as fill [`LONG_ENOUGH`].
fn seconds_of(mut work: impl FnMut()) -> f64 {
    let (start, mut times) = (Instant::now(), 0);
    while start.elapsed() < LONG_ENOUGH {
        work();
        times += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(times)
}

/// The layers of the report's network with `layers` convolutions.
fn layers_of(layers: u8) -> Vec<Layer> {
    let (rates, hidden_rate): (&[f64], _) = match layers {
        1 => (&[0.2], 0.0),
        2 => (&[0.2, 0.25], 0.0),
        _ => (&[0.25, 0.25, 0.4], 0.4),
    };
    let first = kernels::ConvPool {
        height: 28,
        width: 28,
        channels: 32,
    };
    let mut all = vec![Layer::new(
        "Conv2D-1, MaxPool",
        Kernel::ConvPool(first),
        true,
        rates[0],
    )];
    let (mut side, mut channels) = (13, 32);
    for (name, &rate) in ["Conv2D-2", "Conv2D-3"].into_iter().zip(&rates[1..]) {
        let conv = kernels::Conv {
            height: side,
            width: side,
            inputs: channels,
            outputs: 2 * channels,
            padding: 0,
        };
        all.push(Layer::new(name, Kernel::Conv(conv), true, rate));
        (side, channels) = (side - 2, 2 * channels);
    }
    let (inputs, units) = (side * side * channels, 16 << layers);
    let dense = |inputs, outputs| Kernel::Dense(kernels::Dense { inputs, outputs });
    all.push(Layer::new("Dense", dense(inputs, units), true, hidden_rate));
    all.push(Layer::new("Output", dense(units, 10), false, 0.0));
    all
}

/// GFLOP/s of Candle's product of two square matrices (the `gemm` crate).
fn product_speed(side: usize) -> Result<f64> {
    let draw = || Tensor::rand(-1_f32, 1.0, (side, side), &Device::Cpu);
    let (a, b) = (draw()?, draw()?);
    a.matmul(&b)?;
    let mut failed = None;
    let seconds = seconds_of(|| failed = a.matmul(&b).err());
    failed.map_or(Ok(()), Err)?;
    Ok(2.0 * (side as f64).powi(3) / seconds / 1e9)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let images = data::load()?.take(options.steps.min(8) * BATCH);
    let mut peak = Sample::default();
    let mut networks = Vec::new();
    for &layers in &options.models {
        networks.push((spec(layers).build(0)?, layers_of(layers), Sample::default()));
    }
    on_threads(options.threads(), || -> Result<()> {
        for round in 0..=options.rounds {
            let product = product_speed(1024)?.max(product_speed(2048)?);
            for (model, layers, steps) in &mut networks {
                let speed = images_per_second(model, &images, BATCH)?;
                layers.iter_mut().for_each(Layer::measure);
                if round == 0 {
                    // Warm now: start counting.
                    for layer in layers {
                        (layer.forward, layer.backward) = Default::default();
                    }
                } else {
                    steps.push(1e3 * BATCH as f64 / speed);
                }
            }
            if round > 0 {
                peak.push(product);
            }
            eprintln!("layers: round {round} of {}", options.rounds);
        }
        Ok(())
    })?;
    println!(
        "## Layers\n\nMilliseconds for {BATCH} images, each kernel repeated by itself (bias, ReLU, \
         pooling and dropout included). GFLOP/s count what the direct algorithm would do, so a \
         Winograd convolution may pass 100 % of the peak: {peak:.0} GFLOP/s, the faster of \
         1024³ and 2048³ matrix products (`gemm`).\n"
    );
    for (model, layers, steps) in &networks {
        println!("{}:\n", model.spec().name());
        print_layers(layers, steps, peak.median());
    }
    Ok(())
}

fn print_layers(layers: &[Layer], steps: &Sample, peak: f64) {
    let header = [
        "Layer",
        "forward ms",
        "GFLOP/s",
        "of peak",
        "backward ms",
        "GFLOP/s",
        "of peak",
    ];
    let mut rows = Vec::new();
    let mut totals = [0.0; 2];
    for layer in layers {
        let mut row = cells![layer.name];
        for (pass, sample) in [&layer.forward, &layer.backward].into_iter().enumerate() {
            totals[pass] += sample.median();
            let speed = layer.flops()[pass] / sample.median() / 1e6;
            let share = 100.0 * speed / peak;
            row.extend(cells![
                format!("{sample:.2}"),
                format!("{speed:.0}"),
                format!("{share:.0} %")
            ]);
        }
        rows.push(row);
    }
    let [forward, backward] = totals.map(|total| format!("{total:.2}"));
    rows.push(cells!["All layers", forward, "", "", backward, "", ""]);
    let rest = steps.median() - totals[0] - totals[1];
    rows.push(cells![
        "Rest: batch, dropout's bits, loss, Adam",
        format!("{rest:.2}"),
        "",
        "",
        "",
        "",
        ""
    ]);
    rows.push(cells![
        "Whole step, as `fit` takes it",
        format!("{steps:.2}"),
        "",
        "",
        "",
        "",
        ""
    ]);
    print_table(&header.map(str::to_owned), &rows);
}
