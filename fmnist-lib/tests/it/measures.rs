//! What is measured before or beside training.

use fmnist_lib::{
    BatchNorm, ConfusionMatrix, Dataset, Dense, Error, FitConfig, Flatten, ModelSpec, Predictions,
    Scaling, evaluate, gradient_noise, predict, range_test,
};

use crate::striped;

fn linear() -> ModelSpec {
    ModelSpec::new("linear")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10))
}

#[test]
fn a_range_test_rises_by_a_factor_and_ends_out_of_hand() {
    // Some labels are wrong: nothing can be sure of all, and the surer, the larger the loss.
    let data = striped(600, 1);
    let labels = data.labels().iter().enumerate();
    let labels = labels.map(|(i, label)| if i % 4 == 0 { (label + 1) % 10 } else { *label });
    let data = Dataset::new(data.images().to_vec(), labels.collect()).unwrap();
    let config = FitConfig::default().batch_size(10).seed(3);
    let points = range_test(&linear(), &data, 1e-5..=1e4, &config).unwrap();
    let factor = 1e9_f64.powf(1.0 / 59.0);
    assert_eq!(points[0].0, 1e-5);
    for pair in points.windows(2) {
        assert!((pair[1].0 / pair[0].0 / factor - 1.0).abs() < 1e-9);
    }
    let lowest = points
        .iter()
        .map(|point| point.1)
        .fold(f64::INFINITY, f64::min);
    let last = points.last().unwrap();
    assert!(lowest < 0.7 * points[0].1, "it learns on the way: {lowest}");
    assert!(last.1 > 4.0 * lowest && points.len() < 60, "{last:?}");
}

/// One step with all images: the loss is that of the new network.
#[test]
fn a_range_test_begins_with_the_loss_of_a_new_network() {
    let data = striped(50, 2);
    let config = FitConfig::default().batch_size(50).seed(4);
    let points = range_test(&linear(), &data, 1e-3..=1e-2, &config).unwrap();
    let loss = evaluate(&linear().build(4).unwrap(), &data).unwrap().loss;
    assert_eq!(points.len(), 1);
    assert!(
        (points[0].1 - f64::from(loss)).abs() < 1e-5,
        "{points:?}, {loss}"
    );
}

#[test]
fn rates_that_do_not_rise_are_refused() {
    let data = striped(20, 2);
    for rates in [
        0.0..=1.0,
        1.0..=1.0,
        1.0..=0.1,
        1.0..=f64::INFINITY,
        f64::NAN..=1.0,
    ] {
        let refused = range_test(&linear(), &data, rates, &FitConfig::default()).unwrap_err();
        assert!(
            refused.to_string().contains("rising learning rates"),
            "{refused}"
        );
    }
}

/// Batches of one image, whose gradient has a formula: (p - y) for each score, times the pixels.
#[test]
fn noise_is_the_spread_of_the_gradients() {
    let data = striped(40, 5);
    let model = linear().build(6).unwrap();
    let found = gradient_noise(&model, &data, 1, 1000, 7).unwrap();

    let probabilities = predict(&model, &data).unwrap().probabilities;
    let gradient = |image: usize| -> Vec<f64> {
        let pixels = data
            .image(image)
            .iter()
            .map(|&pixel| f64::from(pixel) / 255.0);
        let inputs: Vec<f64> = pixels.chain([1.0]).collect(); // 1 for the bias
        let score = |class: usize| {
            let right = f64::from(u8::from(usize::from(data.labels()[image]) == class));
            f64::from(probabilities[image][class]) - right
        };
        (0..10)
            .flat_map(|class| inputs.iter().map(move |x| x * score(class)))
            .collect()
    };
    let all: Vec<Vec<f64>> = (0..40).map(gradient).collect();
    let mean: Vec<f64> = (0..all[0].len())
        .map(|i| all.iter().map(|one| one[i]).sum::<f64>() / 40.0)
        .collect();
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let spread = all
        .iter()
        .map(|one| square(&mut one.iter().zip(&mean).map(|(a, b)| a - b)));
    let variance = spread.sum::<f64>() / 39.0;
    let length = (square(&mut mean.iter().copied()) - variance / 40.0).sqrt();
    assert_eq!((found.batch_size, found.batches), (1, 40));
    assert!(
        (found.noise / variance.sqrt() - 1.0).abs() < 1e-5,
        "{found:?}"
    );
    assert!(
        (found.gradient / length - 1.0).abs() < 1e-5,
        "{found:?}, {length}"
    );
    assert!((found.scale() / (variance / (length * length)) - 1.0).abs() < 1e-5);
}

#[test]
fn measuring_noise_leaves_the_model_as_it_was() {
    let data = striped(60, 8);
    let spec = ModelSpec::new("normalised")
        .scaling(Scaling::Unit)
        .layer("flatten", Flatten)
        .layer("norm", BatchNorm::new())
        .layer("out", Dense::new(10));
    let model = spec.build(9).unwrap();
    let before = evaluate(&model, &data).unwrap();
    gradient_noise(&model, &data, 20, 3, 1).unwrap();
    assert_eq!(evaluate(&model, &data).unwrap(), before);

    let same = Dataset::new(data.image(0).repeat(4), vec![3; 4]).unwrap();
    let found = gradient_noise(&linear().build(1).unwrap(), &same, 1, 4, 1).unwrap();
    assert!(found.ratio() < 1e-6, "{found:?}");
    for (batch_size, batches) in [(0, 2), (31, 2), (10, 1)] {
        let refused = gradient_noise(&model, &data, batch_size, batches, 1);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{batch_size}");
    }
}

#[test]
fn a_mean_needs_as_many_probabilities_as_classes() {
    let data = striped(4, 1);
    let whole = predict(&linear().build(1).unwrap(), &data).unwrap();
    let mut short = whole.clone();
    short.probabilities.pop();
    let mut long = whole.clone();
    long.classes.push(3);
    for odd in [short, long] {
        for refused in [
            Predictions::mean(&[whole.clone(), odd.clone()]).unwrap_err(),
            Predictions::mean(&[odd.clone(), whole.clone()]).unwrap_err(),
            odd.evaluate(&data).unwrap_err(),
        ] {
            assert!(matches!(refused, Error::Invalid(_)), "{refused}");
            let message = refused.to_string();
            assert!(
                message.contains("each image needs one of both"),
                "{message}"
            );
        }
    }
    assert_eq!(
        Predictions::mean(&[whole.clone(), whole.clone()])
            .unwrap()
            .classes,
        whole.classes
    );
}

#[test]
fn what_is_not_a_number_is_not_hidden_in_a_loss() {
    let data = striped(4, 1);
    let mut said = predict(&linear().build(1).unwrap(), &data).unwrap();
    let label = usize::from(data.labels()[2]);
    said.probabilities[2][label] = 0.0;
    let loss = said.evaluate(&data).unwrap().loss;
    assert!(
        (20.0..30.0).contains(&loss),
        "87.3 nats for one of four: {loss}"
    );
    said.probabilities[2][label] = f32::NAN;
    assert!(said.evaluate(&data).unwrap().loss.is_nan());
    let mean = Predictions::mean(&[said.clone(), said]).unwrap();
    assert!(mean.evaluate(&data).unwrap().loss.is_nan());
}

/// `print(sklearn.metrics.classification_report(true, predicted, labels=range(10), target_names=names, digits=4,
/// zero_division=0))` of scikit-learn 1.9.1.
const SCIKIT_LEARN: &str = "              precision    recall  f1-score   support

 T-shirt/top     0.6667    0.6667    0.6667         3
     Trouser     0.3333    0.5000    0.4000         2
    Pullover     0.7500    0.7500    0.7500         4
       Dress     0.0000    0.0000    0.0000         1
        Coat     0.0000    0.0000    0.0000         0
      Sandal     0.0000    0.0000    0.0000         0
       Shirt     0.0000    0.0000    0.0000         0
     Sneaker     0.0000    0.0000    0.0000         0
         Bag     0.0000    0.0000    0.0000         0
  Ankle boot     0.0000    0.0000    0.0000         0

    accuracy                         0.6000        10
   macro avg     0.1750    0.1917    0.1817        10
weighted avg     0.5667    0.6000    0.5800        10";

#[test]
fn a_classification_report_is_that_of_scikit_learn() {
    let labels = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3];
    let predicted = [0, 1, 0, 1, 2, 2, 2, 0, 2, 1];
    let confusion = ConfusionMatrix::new(&labels, &predicted).unwrap();
    let report = confusion.classification_report();
    assert_eq!(report.to_string(), SCIKIT_LEARN);
    assert_eq!(report.accuracy, 0.6);
    let nothing = ConfusionMatrix::new(&[], &[]).unwrap();
    assert_eq!(nothing.classification_report().macro_average.f1, 0.0);
}

/// As `keras.metrics.sparse_top_k_categorical_accuracy` of Keras 3.15 counts, places shared by equals included.
#[test]
fn top_k_counts_as_keras_does() {
    let padded = |first: [f32; 3]| [&first[..], &[0.0; 7]].concat();
    let predictions = Predictions {
        probabilities: vec![
            padded([0.5, 0.3, 0.2]),
            padded([0.4, 0.4, 0.2]),
            padded([0.2, 0.3, 0.5]),
            vec![0.1; 10],
        ],
        classes: vec![0, 0, 2, 0],
    };
    let data = Dataset::new(vec![0; 4 * 784], vec![1, 1, 0, 9]).unwrap();
    let top = |k| predictions.top_k_accuracy(&data, k);
    for (k, keras) in [(1, 0.5), (2, 0.75), (3, 1.0)] {
        assert_eq!(top(k).unwrap(), keras);
    }
    assert!(top(0).unwrap_err().to_string().contains("k is 1 or more"));
    let few = predictions.top_k_accuracy(&data.take(3), 1).unwrap_err();
    assert!(
        few.to_string()
            .contains("of 4 images, the labels of 3 images"),
        "{few}"
    );
}

/// Predictions of class 1 with these probabilities, for images of class 0 and 1.
fn sure(is_own: &[u8], probabilities: &[f32]) -> (Predictions, Dataset) {
    let row = |p: &f32| [&[1.0 - p, *p][..], &[0.0; 8]].concat();
    let predictions = Predictions {
        probabilities: probabilities.iter().map(row).collect(),
        classes: probabilities.iter().map(|p| u8::from(*p > 0.5)).collect(),
    };
    let pixels = vec![0; is_own.len() * 784];
    (predictions, Dataset::new(pixels, is_own.to_vec()).unwrap())
}

/// `roc_curve(y, np.float32(p))` and `roc_auc_score(y, p)` of scikit-learn 1.9.1 for y and p as below.
#[test]
fn a_roc_curve_is_that_of_scikit_learn() {
    let is_own = [0, 0, 1, 1, 0, 1, 0, 1];
    let probabilities = [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.2, 0.9];
    let (predictions, data) = sure(&is_own, &probabilities);
    let roc = predictions.roc_curve(&data, 1).unwrap();
    let points = [
        (0.0, 0.0),
        (0.0, 0.25),
        (0.0, 0.5),
        (0.5, 0.75),
        (0.5, 1.0),
        (1.0, 1.0),
    ];
    assert_eq!((roc.points.as_slice(), roc.auc), (&points[..], 0.8125));
    let thresholds = [f32::INFINITY, 0.9, 0.8, 0.4, 0.35, 0.1].map(f64::from);
    assert_eq!(roc.thresholds, thresholds);

    let is_own = [1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0];
    let probabilities = [
        0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.7, 0.5, 0.5, 0.3, 0.2, 0.1,
    ];
    let (more, of_more) = sure(&is_own, &probabilities);
    let roc = more.roc_curve(&of_more, 1).unwrap();
    let wrong = [0.0, 0.0, 1.0, 1.0, 3.0, 4.0, 7.0].map(|count| count / 7.0);
    let right = [0.0, 0.2, 0.2, 0.8, 0.8, 1.0, 1.0];
    assert_eq!(roc.points, wrong.into_iter().zip(right).collect::<Vec<_>>());
    let thresholds = [f32::INFINITY, 0.95, 0.9, 0.75, 0.7, 0.5, 0.1].map(f64::from);
    assert_eq!(roc.thresholds, thresholds);
    assert!((roc.auc - 0.814_285_714_285_714_2).abs() < 1e-15);

    for (class, problem) in [
        (7, "0 of 8 images are of class 7"),
        (12, "there is no class 12"),
    ] {
        let refused = predictions.roc_curve(&data, class).unwrap_err().to_string();
        assert!(refused.contains(problem), "{refused}");
    }
}
