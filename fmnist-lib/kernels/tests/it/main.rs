//! Every kernel on every instruction set of this machine, against plain loops in f64.

mod adam;
mod batch_norm;
mod conv;
mod conv_pool;
mod curve;
mod dense;
mod dropout;
mod oracle;
mod shapes;
mod windows;

use fmnist_kernels::{Activation, Backward, Dropout, Forward, Gradients, Isa, dropout_bits};

/// Dropout bits for `pixels` outputs of `channels` channels, a quarter dropped.
fn some_bits(pixels: usize, channels: usize) -> Vec<u16> {
    let mut kept = vec![0; pixels * channels.div_ceil(16)];
    dropout_bits(Isa::best(), [3; 32], 1, 0.25, &mut kept);
    kept
}

fn quarter(kept: &[u16]) -> Dropout<'_> {
    Dropout {
        kept,
        scale: 4.0 / 3.0,
    }
}

/// How many mixes of ReLU and dropout there are.
const MIXES: usize = 4;

/// Every mix of ReLU and dropout by `kept`, with the oracle's `factors` where it drops.
fn activations<'a>(
    kept: &'a [u16],
    factors: &'a [f64],
) -> impl Iterator<Item = (Activation<'a>, Option<&'a [f64]>)> {
    let mixes: [_; MIXES] = [(true, true), (false, true), (true, false), (false, false)];
    mixes.into_iter().map(move |(relu, dropped)| {
        let dropout = dropped.then(|| quarter(kept));
        (Activation { relu, dropout }, dropped.then_some(factors))
    })
}

/// The bits of floats, for comparisons that must not round.
fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn all_bits(g: &Gradients) -> [Vec<u32>; 3] {
    [bits(&g.input), bits(&g.weights), bits(&g.bias)]
}

/// The errors of the gradients of input, weights and bias.
fn errors(found: &Gradients, expected: &Exact) -> [f64; 3] {
    [
        oracle::error(&found.input, &expected.0),
        oracle::error(&found.weights, &expected.1),
        oracle::error(&found.bias, &expected.2),
    ]
}

/// Asserts that a layer's outputs and gradients are right, whatever the memory held before, and that
/// leaving out the input's gradient changes none of the others. `backward` is told whether to make it.
fn check_passes(
    case: &str,
    forward: impl Fn(&mut Vec<f32>),
    backward: impl Fn(bool, &mut Gradients),
    y_expected: &[f64],
    expected: &Exact,
) {
    let mut y = vec![7.0; 5];
    forward(&mut y);
    let e = oracle::error(&y, y_expected);
    assert!(e < 1e-5, "{case}: y off by {e}");
    let mut g = Gradients {
        input: vec![7.0; 3],
        ..Gradients::default()
    };
    backward(true, &mut g);
    let e = errors(&g, expected);
    assert!(
        e.iter().all(|&e| e < 1e-5),
        "{case}: dx, dw, db off by {e:?}"
    );
    let mut alone = g.clone();
    backward(false, &mut alone);
    let without_input = Gradients { input: vec![], ..g };
    assert_eq!(
        alone, without_input,
        "{case}: with and without input gradient"
    );
}

/// The gradients of input, weights and bias.
type Exact = (Vec<f64>, Vec<f64>, Vec<f64>);

/// A layer with weights, what it reads, and what plain loops in f64 make of that.
struct Case<'a> {
    name: String,
    outputs: usize,
    x: &'a [f32],
    weights: &'a [f32],
    bias: &'a [f32],
    dy: &'a [f32],
    /// What the layer gives before its activation.
    sums: &'a [f64],
    /// From the gradient of the sums.
    gradients: &'a dyn Fn(&[f64]) -> Exact,
    forward: &'a dyn Fn(Isa, Forward<'_>, &mut Vec<f32>),
    backward: &'a dyn Fn(Isa, Backward<'_>, &mut Gradients),
}

impl Case<'_> {
    /// Runs the layer forward and backward on `isas`, with the first `mixes` of ReLU and dropout.
    fn check(&self, isas: &[Isa], mixes: usize) {
        let Self {
            x,
            weights,
            bias,
            dy,
            ..
        } = *self;
        let pixels = dy.len() / self.outputs;
        let kept = some_bits(pixels, self.outputs);
        let factors = oracle::factors(&kept, pixels, self.outputs, 4.0 / 3.0);
        for (activation, factors) in activations(&kept, &factors).take(mixes) {
            let (relu, dropped) = (activation.relu, factors.is_some());
            let y_expected = oracle::activate(self.sums, relu, factors);
            let g = oracle::deactivate(self.sums, dy, relu, factors);
            let expected = (self.gradients)(&g);
            // The backward pass is given exact outputs, whose signs do not depend on rounding.
            let y_exact: Vec<f32> = y_expected.iter().map(|&y| y as f32).collect();
            for &isa in isas {
                let forward = Forward {
                    x,
                    weights,
                    bias,
                    activation,
                };
                let backward = |wants_input| Backward {
                    x,
                    weights,
                    y: &y_exact,
                    dy,
                    activation,
                    wants_input,
                };
                check_passes(
                    &format!("{} {}, {relu} {dropped}", isa.name(), self.name),
                    |y| (self.forward)(isa, forward, y),
                    |input, g| (self.backward)(isa, backward(input), g),
                    &y_expected,
                    &expected,
                );
            }
        }
    }
}

/// Asserts that `work` gives the same on one, two and five threads.
fn same_on_any_threads<T: PartialEq + Send>(work: impl Fn() -> T + Sync) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads can be started");
        pool.install(&work)
    };
    let one = on(1);
    for threads in [2, 5] {
        assert!(
            on(threads) == one,
            "{threads} threads give other bits than one"
        );
    }
}
