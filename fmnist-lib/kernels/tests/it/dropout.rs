//! Dropout's bits.

use fmnist_kernels::{Isa, dropout_bits};

use super::same_on_any_threads;

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
