use fmnist_lib::candle_core::Device;
use fmnist_lib::{
    CLASSES, Dataset, Error, FitConfig, PIXELS, Scaling, Split, Verbose, evaluate, fit, one_layer,
};

/// Image i has its number in its first two pixels.
fn numbered(count: usize) -> Dataset {
    let mut images = vec![0; count * PIXELS];
    for (index, image) in images.chunks_mut(PIXELS).enumerate() {
        image[..2].copy_from_slice(&(index as u16).to_le_bytes());
    }
    Dataset::new(images, (0..count).map(|i| (i % CLASSES) as u8).collect()).unwrap()
}

fn numbers(dataset: &Dataset) -> Vec<u16> {
    (0..dataset.len())
        .map(|i| u16::from_le_bytes([dataset.image(i)[0], dataset.image(i)[1]]))
        .collect()
}

#[test]
fn a_split_puts_every_image_on_exactly_one_side() {
    let data = numbered(6000);
    for (fraction, stratified) in [(0.8, false), (0.7, false), (0.8, true), (0.33, true)] {
        let split = Split::new(fraction, 1);
        let split = if stratified {
            split.stratified()
        } else {
            split
        };
        let (train, validation) = split.apply(&data).unwrap();
        assert_eq!(train.len(), (6000.0 * fraction).round() as usize);
        let mut all = [numbers(&train), numbers(&validation)].concat();
        assert!(!all.is_sorted(), "the order is random");
        all.sort_unstable();
        assert!(
            all.iter()
                .enumerate()
                .all(|(index, &number)| index == usize::from(number))
        );
        if stratified {
            for class in 0..CLASSES {
                let count = train
                    .labels()
                    .iter()
                    .filter(|&&l| usize::from(l) == class)
                    .count();
                assert_eq!(count, (600.0 * fraction).round() as usize);
            }
        }
        for (index, number) in numbers(&train).into_iter().enumerate() {
            assert_eq!(
                usize::from(train.labels()[index]),
                usize::from(number) % CLASSES
            );
        }
    }
}

#[test]
fn a_seed_decides_the_split() {
    let data = numbered(1000);
    let train = |seed| numbers(&Split::new(0.8, seed).apply(&data).unwrap().0);
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn impossible_splits_are_refused() {
    for fraction in [-0.1, 1.1, f64::NAN, 0.0, 1.0] {
        let refused = Split::new(fraction, 1).apply(&numbered(10));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{fraction}");
    }
}

#[test]
fn scaling_divides_by_255() {
    let pixels: Vec<u8> = (0..PIXELS).map(|i| (i % 256) as u8).collect();
    let scaled = Scaling::Unit.apply(&pixels, &Device::Cpu).unwrap();
    assert_eq!(scaled.dims(), [1, 28, 28, 1]);
    let values: Vec<f32> = scaled.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!((values[0], values[51], values[255]), (0.0, 0.2, 1.0));
    let raw: Vec<f32> = Scaling::Raw
        .apply(&pixels, &Device::Cpu)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    assert_eq!(raw[255], 255.0);
    assert!(Scaling::Unit.apply(&pixels[1..], &Device::Cpu).is_err());
}

#[test]
fn standardised_pixels_have_mean_0_and_deviation_1() {
    let data = crate::striped(100, 1);
    let scaled = Scaling::standard(&data)
        .apply(data.images(), &Device::Cpu)
        .unwrap();
    let values: Vec<f32> = scaled.flatten_all().unwrap().to_vec1().unwrap();
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
    assert!(
        mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-4,
        "{mean} {square}"
    );
}

/// Alike pixels have no deviation to divide by.
#[test]
fn pixels_that_are_all_alike_become_zero_and_can_be_learned_from() {
    for value in [0, 128, 255] {
        let labels = (0..20).map(|i| i % 10).collect();
        let flat = Dataset::new(vec![value; 20 * PIXELS], labels).unwrap();
        let scaling = Scaling::standard(&flat);
        let scaled = scaling.apply(flat.images(), &Device::Cpu).unwrap();
        let values: Vec<f32> = scaled.flatten_all().unwrap().to_vec1().unwrap();
        assert!(values.iter().all(|&v| v == 0.0), "{scaling:?}");

        let mut model = one_layer().scaling(scaling).build(1).unwrap();
        let before = evaluate(&model, &flat).unwrap().loss;
        assert!((before - 10_f32.ln()).abs() < 1e-5, "{before}");
        let config = FitConfig::default().epochs(1).batch_size(10);
        let run = fit(&mut model, &flat, None, config.verbose(Verbose::Silent)).unwrap();
        assert!(run.history.epochs[0].loss.is_finite());
    }
}

#[test]
fn numbers_of_one_are_told_in_the_singular() {
    let refused = |result: fmnist_lib::Result<Dataset>| result.unwrap_err().to_string();
    let one = refused(Dataset::new(vec![0; 3], vec![1]));
    assert!(
        one.starts_with("cannot pair 3 bytes of pixels with 1 label:"),
        "{one}"
    );
    let pixels = Scaling::Unit.apply(&[7], &Device::Cpu).unwrap_err();
    assert!(pixels.to_string().contains("made of 1 byte:"), "{pixels}");
    let split = Split::new(0.5, 1).apply(&numbered(1)).unwrap_err();
    assert!(split.to_string().contains("of 1 image leaves"), "{split}");
}

#[test]
fn datasets_that_do_not_fit_together_are_refused() {
    assert!(Dataset::new(vec![0; PIXELS * 2 + 1], vec![0, 1]).is_err());
    assert!(
        Dataset::new(vec![0; PIXELS], vec![10])
            .unwrap_err()
            .to_string()
            .contains("label 10")
    );
    assert!(numbered(3).select(&[0, 3]).is_err());
}
