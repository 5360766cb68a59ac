//! The fused first layer.

use super::oracle::{self, activate, deactivate, error, factors, numbers};
use super::{all_bits, bits, errors, quarter, same_on_any_threads, some_bits};
use fmnist_kernels::{ConvPool, ConvPoolBackward, ConvPoolForward, Gradients, Isa};

/// Runs one shape forward and backward on all instruction sets; numbers are multiples of 1/16, so
/// sums are exact, ties frequent and the forward result must match to the last bit but dropout's.
fn check(n: usize, h: usize, w: usize, co: usize, dropped: bool, spoil: impl Fn(&mut [f32])) {
    let layer = ConvPool {
        height: h,
        width: w,
        channels: co,
    };
    let plain = oracle::Conv {
        n,
        h,
        w,
        ci: 1,
        co,
        padding: 0,
        window: 3,
    };
    let mut x = numbers(n * h * w, 1, 1.0 / 16.0);
    spoil(&mut x);
    let weights = numbers(9 * co, 2, 1.0 / 16.0);
    let bias = numbers(co, 3, 1.0 / 16.0);
    let sums = plain.sums(&x, &weights, &bias);
    let places = plain.pool(&sums);
    let pooled: Vec<f64> = places.iter().map(|&p| sums[p]).collect();
    let dy = numbers(pooled.len(), 4, 1e-6);
    let kept = some_bits(pooled.len() / co, co);
    let dropout = dropped.then(|| quarter(&kept));
    let factors = dropped.then(|| factors(&kept, pooled.len() / co, co, 4.0 / 3.0));
    let y_expected = activate(&pooled, true, factors.as_deref());
    let g = deactivate(&pooled, &dy, true, factors.as_deref());
    let mut g_sums = vec![0.0; sums.len()];
    places.iter().zip(&g).for_each(|(&p, &g)| g_sums[p] = g);
    let (_, dw, db) = plain.gradients(&x, &weights, &g_sums);
    let expected = (vec![], dw, db);

    for isa in Isa::available() {
        let (mut y, mut codes) = (vec![7.0; 5], vec![]);
        let operands = ConvPoolForward {
            x: &x,
            weights: &weights,
            bias: &bias,
            dropout,
        };
        layer.forward(isa, operands, &mut y, &mut codes);
        let case = format!("{} {n} images {h}x{w}, {co} channels", isa.name());
        let e = error(&y, &y_expected);
        assert!(e < 1e-6, "{case}: y off by {e}");
        let mut g = Gradients {
            input: vec![7.0; 3],
            ..Gradients::default()
        };
        let scale = if dropped { 4.0 / 3.0 } else { 1.0 };
        let operands = ConvPoolBackward {
            x: &x,
            codes: &codes,
            dy: &dy,
            scale,
        };
        layer.backward(isa, operands, &mut g);
        let e = errors(&g, &expected);
        assert!(e.iter().all(|&e| e < 1e-5), "{case}: dw, db off by {e:?}");
    }
}

#[test]
fn agrees_with_plain_loops_on_odd_shapes() {
    for (n, h, w, co) in [
        (2, 28, 28, 32),
        (1, 29, 29, 16),
        (3, 4, 4, 1),
        (2, 5, 9, 5),
        (1, 7, 6, 50),
    ] {
        for dropped in [false, true] {
            check(n, h, w, co, dropped, |_| {});
        }
    }
}

#[test]
fn agrees_on_the_last_batch_of_an_epoch() {
    check(384, 28, 28, 32, true, |_| {});
}

#[test]
fn equal_sums_give_the_gradient_to_the_first() {
    // On a constant image all sums of a filter are equal.
    check(2, 10, 10, 17, false, |x| x.fill(0.5));
}

#[test]
fn exact_zeros_have_no_gradient() {
    let layer = ConvPool {
        height: 4,
        width: 4,
        channels: 16,
    };
    for isa in Isa::available() {
        let (mut y, mut codes) = (vec![], vec![]);
        let operands = ConvPoolForward {
            x: &[1.0; 16],
            weights: &[0.0; 144],
            bias: &[0.0; 16],
            dropout: None,
        };
        layer.forward(isa, operands, &mut y, &mut codes);
        assert_eq!(y, [0.0; 16]);
        let mut g = Gradients::default();
        let operands = ConvPoolBackward {
            x: &[1.0; 16],
            codes: &codes,
            dy: &[1.0; 16],
            scale: 1.0,
        };
        layer.backward(isa, operands, &mut g);
        assert!(
            g.weights == [0.0; 144] && g.bias == [0.0; 16],
            "{}",
            isa.name()
        );
    }
}

#[test]
fn a_nan_pixel_spoils_the_windows_that_see_it_and_no_others() {
    for at in [0, 15 * 28 + 13, 27 * 28 + 27, 14 * 28 + 2] {
        let layer = ConvPool {
            height: 28,
            width: 28,
            channels: 32,
        };
        let plain = oracle::Conv {
            n: 1,
            h: 28,
            w: 28,
            ci: 1,
            co: 32,
            padding: 0,
            window: 3,
        };
        let mut x = numbers(784, 1, 1.0 / 16.0);
        x[at] = f32::NAN;
        let (weights, bias) = (numbers(288, 2, 1.0 / 16.0), numbers(32, 3, 1.0 / 16.0));
        let sums = plain.sums(&x, &weights, &bias);
        let pooled: Vec<f64> = plain.pool(&sums).iter().map(|&p| sums[p]).collect();
        for isa in Isa::available() {
            let (mut y, mut codes) = (vec![], vec![]);
            let operands = ConvPoolForward {
                x: &x,
                weights: &weights,
                bias: &bias,
                dropout: None,
            };
            layer.forward(isa, operands, &mut y, &mut codes);
            assert!(y.iter().any(|y| y.is_nan()));
            assert_eq!(
                error(&y, &activate(&pooled, true, None)),
                0.0,
                "{}",
                isa.name()
            );
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let layer = ConvPool {
        height: 28,
        width: 28,
        channels: 32,
    };
    let (x, weights) = (numbers(100 * 784, 1, 1e-6), numbers(288, 2, 1e-6));
    let dy = numbers(100 * 5408, 3, 1e-6);
    same_on_any_threads(|| {
        let (mut y, mut codes) = (vec![], vec![]);
        let operands = ConvPoolForward {
            x: &x,
            weights: &weights,
            bias: &[0.1; 32],
            dropout: None,
        };
        layer.forward(Isa::best(), operands, &mut y, &mut codes);
        let mut g = Gradients::default();
        let operands = ConvPoolBackward {
            x: &x,
            codes: &codes,
            dy: &dy,
            scale: 1.0,
        };
        layer.backward(Isa::best(), operands, &mut g);
        (bits(&y), codes, all_bits(&g))
    });
}

#[test]
#[should_panic(expected = "ConvPool::forward: weights has 5 elements, expected 18")]
fn says_which_slice_is_wrong() {
    let layer = ConvPool {
        height: 4,
        width: 4,
        channels: 2,
    };
    let operands = ConvPoolForward {
        x: &[0.0; 16],
        weights: &[0.0; 5],
        bias: &[0.0; 2],
        dropout: None,
    };
    layer.forward(Isa::best(), operands, &mut vec![], &mut vec![]);
}
