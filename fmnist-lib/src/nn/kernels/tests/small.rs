//! Dropout bits, Adam, and what holds for all layers.

use super::super::{
    Activation, AdamSettings, Conv, ConvPool, Dense, Gradients, Isa, adam_step, dropout_bits,
};
use super::oracle::{error, numbers};
use super::{bits, same_on_any_threads};

#[test]
fn dropout_keeps_the_share_it_should() {
    for rate in [0.2, 0.25, 0.4, 0.5, 0.001, 0.999] {
        let mut kept = vec![0; 200_000];
        dropout_bits(Isa::best(), [1; 32], 9, rate, &mut kept);
        let n = 3.2e6;
        let share = kept.iter().map(|k| f64::from(k.count_ones())).sum::<f64>() / n;
        // Six standard deviations, and the rounding to 16 bits.
        let slack = 6.0 * (rate * (1.0 - rate) / n).sqrt() + 1e-5;
        assert!(
            (share - (1.0 - rate)).abs() < slack,
            "rate {rate}: kept {share}"
        );
        // Each lane by itself.
        for lane in 0..16 {
            let share = kept.iter().map(|k| f64::from(k >> lane & 1)).sum::<f64>() / 200_000.0;
            assert!(
                (share - (1.0 - rate)).abs() < 4.0 * slack,
                "rate {rate} lane {lane}: {share}"
            );
        }
    }
}

#[test]
fn dropout_is_a_function_of_key_stream_and_place() {
    let draw = |isa, key, stream, len| {
        let mut kept = vec![0; len];
        dropout_bits(isa, [key; 32], stream, 0.3, &mut kept);
        kept
    };
    let all = draw(Isa::best(), 1, 2, 5000);
    for isa in Isa::available() {
        assert_eq!(draw(isa, 1, 2, 5000), all, "{}", isa.name());
    }
    assert_eq!(draw(Isa::best(), 1, 2, 777), all[..777]);
    for other in [draw(Isa::best(), 2, 2, 5000), draw(Isa::best(), 1, 3, 5000)] {
        let equal = all
            .iter()
            .zip(&other)
            .map(|(a, b)| (!(a ^ b)).count_ones())
            .sum::<u32>();
        // Independent bits agree with probability 0.7^2 + 0.3^2.
        assert!(
            (f64::from(equal) / 80_000.0 - 0.58).abs() < 0.01,
            "{equal} of 80000 equal"
        );
    }
    same_on_any_threads(|| draw(Isa::best(), 1, 2, 5000));
}

#[test]
fn dropout_at_rate_zero_keeps_all() {
    let mut kept = [0; 3];
    dropout_bits(Isa::best(), [1; 32], 0, 0.0, &mut kept);
    assert_eq!(kept, [!0; 3]);
}

#[test]
#[should_panic(expected = "a rate of 1 is not in 0..1")]
fn dropout_of_everything_is_an_error() {
    dropout_bits(Isa::best(), [1; 32], 0, 1.0, &mut [0]);
}

#[test]
fn adam_agrees_with_keras_formula() {
    let settings = AdamSettings::default();
    for isa in Isa::available() {
        for len in [1, 16, 1000, 40_001] {
            let mut p = numbers(len, 1, 1e-6);
            let (mut m, mut v) = (vec![0.0; len], vec![0.0; len]);
            let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let (mut p64, mut m64, mut v64) = (wide(&p), wide(&m), wide(&v));
            for step in 1..=20u64 {
                let g = numbers(len, 10 + step as u32, 1e-6);
                adam_step(isa, &settings, step, &mut p, &mut m, &mut v, &g);
                let t = step as i32;
                let alpha = 1e-3 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t));
                for i in 0..len {
                    let g = f64::from(g[i]);
                    m64[i] += (g - m64[i]) * 0.1;
                    v64[i] += (g * g - v64[i]) * 0.001;
                    p64[i] -= alpha * m64[i] / (v64[i].sqrt() + 1e-7);
                }
            }
            let e = [error(&p, &p64), error(&m, &m64), error(&v, &v64)];
            assert!(e.iter().all(|&e| e < 1e-5), "{} {len}: {e:?}", isa.name());
        }
    }
}

#[test]
fn adam_bits_do_not_depend_on_threads() {
    let g = numbers(100_000, 2, 1e-6);
    same_on_any_threads(|| {
        let (mut p, mut m, mut v) = (
            numbers(100_000, 1, 1e-6),
            vec![0.0; 100_000],
            vec![0.0; 100_000],
        );
        let settings = AdamSettings::default();
        adam_step(Isa::best(), &settings, 1, &mut p, &mut m, &mut v, &g);
        (bits(&p), bits(&m), bits(&v))
    });
}

#[test]
fn an_empty_batch_has_no_output_and_no_gradient() {
    let (isa, relu) = (Isa::best(), Activation::relu(None));
    let (mut y, mut codes) = (vec![1.0], vec![1]);
    let mut g = Gradients {
        input: vec![1.0],
        weights: vec![1.0],
        bias: vec![1.0],
    };
    let pool = ConvPool {
        height: 5,
        width: 5,
        channels: 3,
    };
    pool.forward(isa, &[], &[1.0; 27], &[1.0; 3], None, &mut y, &mut codes);
    pool.backward(isa, &[], &codes, &y, 1.0, &mut g);
    assert!(y.is_empty() && g.weights == [0.0; 27] && g.bias == [0.0; 3]);
    let conv = Conv {
        height: 4,
        width: 4,
        inputs: 2,
        outputs: 3,
        padding: 0,
    };
    conv.forward(isa, &[], &[1.0; 54], &[1.0; 3], relu, &mut y);
    conv.backward(isa, &[], &[1.0; 54], &y, &y, relu, true, &mut g);
    assert!(y.is_empty() && g.input.is_empty() && g.weights == [0.0; 54] && g.bias == [0.0; 3]);
    let dense = Dense {
        inputs: 4,
        outputs: 3,
    };
    dense.forward(isa, &[], &[1.0; 12], &[1.0; 3], relu, &mut y);
    dense.backward(isa, &[], &[1.0; 12], &y, &y, relu, true, &mut g);
    assert!(y.is_empty() && g.input.is_empty() && g.weights == [0.0; 12] && g.bias == [0.0; 3]);
}

#[test]
#[should_panic(expected = "Conv::forward: cannot work on a shape of [2, 9, 1]")]
fn a_shape_that_is_too_small_is_named() {
    let conv = Conv {
        height: 2,
        width: 9,
        inputs: 1,
        outputs: 1,
        padding: 0,
    };
    conv.forward(
        Isa::best(),
        &[],
        &[0.0; 9],
        &[0.0],
        Activation::default(),
        &mut vec![],
    );
}

#[test]
#[should_panic(expected = "less than 2^20 of anything")]
fn a_shape_whose_size_overflows_is_refused() {
    let dense = Dense {
        inputs: 1 << 63,
        outputs: 2,
    };
    dense.forward(
        Isa::best(),
        &[],
        &[],
        &[0.0; 2],
        Activation::default(),
        &mut vec![],
    );
}
