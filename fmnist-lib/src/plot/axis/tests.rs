use plotters::coord::ranged1d::Ranged;

use super::{Axis, Scale};

fn labels(axis: &Axis) -> Vec<String> {
    axis.labels().map(|(_, label)| label).collect()
}

#[test]
fn ticks_are_round_and_cover_the_values() {
    let accuracy = Axis::values(71.3, 98.2, (0.0, 100.0));
    assert_eq!((accuracy.from, accuracy.to), (70.0, 100.0));
    assert_eq!(
        labels(&accuracy),
        ["70", "75", "80", "85", "90", "95", "100"]
    );
    let loss = Axis::values(0.213, 0.74, (0.0, f64::INFINITY));
    assert_eq!(
        labels(&loss),
        ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]
    );
    assert_eq!(
        labels(&Axis::values(2.3046, 2.3051, (0.0, f64::INFINITY)))[..2],
        ["2.3046", "2.3047"]
    );
}

#[test]
fn a_flat_curve_has_room_and_bounds_hold() {
    let flat = Axis::values(100.0, 100.0, (0.0, 100.0));
    assert!(flat.from < 99.0 && flat.to == 100.0);
    let zero = Axis::values(0.0, 0.0, (0.0, f64::INFINITY));
    assert!(zero.from == 0.0 && zero.to > 0.0 && zero.ticks.at.len() > 1);
}

#[test]
fn epochs_are_whole_and_begin_with_the_first() {
    assert_eq!(labels(&Axis::epochs(1, 3)), ["1", "2", "3"]);
    assert_eq!(labels(&Axis::epochs(1, 1)), ["1"]);
    assert_eq!(
        labels(&Axis::epochs(1, 50)),
        [
            "1", "5", "10", "15", "20", "25", "30", "35", "40", "45", "50"
        ]
    );
    assert_eq!(labels(&Axis::epochs(31, 33)), ["31", "32", "33"]);
}

#[test]
fn a_logarithmic_axis_names_a_few_values_or_powers_of_ten() {
    let sizes = Scale::Log.axis([512.0, 32.0, 32.0, 4096.0].into_iter());
    assert_eq!(labels(&sizes), ["32", "512", "4096"]);
    let rates = Scale::Log.axis((0..=50).map(|i| 10f64.powf(-5.0 + f64::from(i) / 10.0)));
    assert_eq!(
        labels(&rates),
        ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]
    );
    // Each factor takes the same room.
    let place = |value| rates.map(&value, (0, 10_000));
    assert!((place(1e-3) - place(1e-4)).abs_diff(place(1e-1) - place(1e-2)) <= 1);
    assert!(Scale::Log.axis([3.0].into_iter()).from < 3.0);
    assert!(!Scale::Log.has_place(0.0) && Scale::Log.has_place(1e-300));
}

/// The rates and sizes of a search, on 690 pixels of which a letter takes 8.
#[test]
fn labels_never_lie_on_each_other() {
    let room = |label: &str| 8 * label.len() as i32;
    let fitted =
        |scale: Scale, values: &[f64]| scale.axis(values.iter().copied()).fitting(690, room);
    let few = [8.0, 16.0, 32.0];
    assert_eq!(labels(&fitted(Scale::Setting, &few)), ["8", "16", "32"]);
    assert_eq!(
        labels(&fitted(Scale::Setting, &[16.0, 64.0, 256.0])),
        ["16", "64", "256"]
    );
    let close = [
        1.419e-4, 2.567e-4, 3.499e-4, 3.82e-3, 8.011e-3, 8.124e-3, 0.01503,
    ];
    assert_eq!(
        labels(&fitted(Scale::Setting, &close)),
        ["2e-4", "5e-4", "0.001", "0.002", "0.005", "0.01"]
    );
    // Nor between two powers of ten, nor where they differ little.
    for values in [
        vec![0.0031, 0.0032, 0.0035],
        vec![1e6, 1e6 + 1.0, 1e6 + 1.01],
    ] {
        for scale in [Scale::Setting, Scale::Log, Scale::Linear(0.0, 1e9)] {
            let axis = fitted(scale, &values);
            let ends: Vec<(i32, i32)> = (axis.labels())
                .map(|(tick, label)| (axis.map(&tick, (0, 690)), room(&label)))
                .collect();
            assert!(ends.len() > 1, "{axis:?}");
            for pair in ends.windows(2) {
                let apart = pair[1].0 - pair[0].0;
                assert!(apart >= (pair[0].1 + pair[1].1) / 2 - 1, "{axis:?}");
            }
        }
    }
    let words = ["relu", "a long name of an activation"].map(str::to_owned);
    let axis = Scale::Words(words.to_vec()).axis([1.0].into_iter());
    assert_eq!(labels(&axis), words);
    assert_eq!(
        (axis.map(&0.0, (0, 100)), axis.map(&1.0, (0, 100))),
        (25, 75)
    );
    assert_eq!(labels(&axis.fitting(200, room)), ["relu", "a long na…"]);
}

#[test]
fn no_finite_value_is_too_large_or_too_small() {
    for (low, high) in [(0.0, 3e38), (1e-40, 2e-40), (0.0, 1e-300), (3e38, 3e38)] {
        let axis = Axis::values(low, high, (0.0, f64::INFINITY));
        assert!(
            axis.from <= low && axis.to >= high && axis.from < axis.to,
            "{axis:?}"
        );
        assert!(axis.ticks.at.len() < 20, "{axis:?}");
    }
    assert!(Axis::epochs(1, usize::MAX).ticks.at.len() < 20);
    let tiny = f64::from_bits(1);
    for (low, high) in [
        (f64::MIN, f64::MAX),
        (-1e300, 1e308),
        (1e300, 1.000_000_1e300),
        (1e10, 1e10 + 1e-5),
        (1.0, 1.0 + 1e-13),
    ] {
        let axis = Scale::Linear(f64::NEG_INFINITY, f64::INFINITY).axis([low, high].into_iter());
        let place = |value| axis.map(&value, (0, 1000));
        assert!((1..20).contains(&axis.ticks.at.len()), "{axis:?}");
        assert!(
            place(low) >= 0 && place(low) < 400 && place(high) > 600,
            "{axis:?}"
        );
        assert!(
            axis.ticks.at.iter().all(|tick| tick.is_finite()),
            "{axis:?}"
        );
    }
    // Neighbours: there is no number between them for a tick.
    for low in [tiny, 1.0, 1e10, 1e300] {
        let axis = Axis::values(low, low.next_up(), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(axis.from <= axis.to && axis.to.is_finite(), "{axis:?}");
        assert!(axis.ticks.at.len() < 50, "{axis:?}");
    }
    for (low, high) in [
        (1e-300, 1e300),
        (tiny, f64::MAX),
        (tiny, tiny),
        (f64::MAX, f64::MAX),
    ] {
        for count in [1, 5, 50] {
            let step = (high.ln() - low.ln()) / f64::from(count);
            let between = (1..count).map(|i| (low.ln() + f64::from(i) * step).exp());
            let axis = Scale::Log.axis(between.chain([low, high]));
            assert!(axis.ticks.at.len() < 20, "{axis:?}");
            assert!(0.0 < axis.from && axis.from < axis.to, "{axis:?}");
            assert!(axis.to.is_finite(), "{axis:?}");
            let place = |value| axis.map(&value, (0, 1000));
            assert!((0..=1000).contains(&place(low)), "{axis:?}");
            assert!((place(low)..=1000).contains(&place(high)), "{axis:?}");
        }
    }
}
