use fmnist_lib::candle_core::{DType, Device, Tensor};
use fmnist_lib::{Pca, Tsne};
use rand::Rng;
use serde::Deserialize;

use crate::random;
use crate::zoo::noise;

/// What scikit-learn 1.9.1 makes of some rows in f64: `tests/sklearn/embedding.py` has written the file.
#[derive(Deserialize)]
struct OfScikitLearn {
    pca: Vec<Components>,
    /// Of each pair of rows, the first row's first.
    similarities: Vec<f64>,
    /// Of t-SNE after 20 steps.
    points_after_20: Vec<f64>,
    /// Kullback and Leibler's, which t-SNE makes small, after 1,000 steps with different rounding.
    divergences_after_1000: Vec<f64>,
}

#[derive(Deserialize)]
struct Components {
    shape: [usize; 2],
    explained_variance_ratio: Vec<f64>,
    /// Of the first eight rows.
    points: Vec<f64>,
}

fn of_scikit_learn() -> OfScikitLearn {
    serde_json::from_str(include_str!("../sklearn/embedding.json")).unwrap()
}

fn tensor(values: Vec<f64>, shape: [usize; 2]) -> Tensor {
    Tensor::from_vec(values, &shape[..], &Device::Cpu).unwrap()
}

/// As `rows` of `tests/sklearn/embedding.py`.
fn rows([count, numbers]: [usize; 2]) -> Tensor {
    let noise = noise(3, count * numbers).enumerate();
    let values = noise.map(|(at, value)| value * 15.0 / (15 + at % numbers) as f64);
    tensor(values.collect(), [count, numbers])
}

/// As `groups` of `tests/sklearn/embedding.py`.
fn groups() -> Tensor {
    let middles: Vec<f64> = noise(5, 30).collect();
    let middle = |at: usize| 2.0 * middles[at / 200 * 10 + at % 10];
    let values = noise(7, 600).enumerate();
    let values = values.map(|(at, value)| middle(at) + value);
    tensor(values.collect(), [60, 10])
}

fn values(points: &Tensor) -> Vec<f64> {
    let points = points.to_dtype(DType::F64).unwrap();
    points.flatten_all().unwrap().to_vec1().unwrap()
}

/// How far `found` is from `expected`, as a part of the largest of these.
fn apart(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let pairs = found.iter().zip(expected);
    largest(&mut pairs.map(|(one, two)| (one - two).abs()))
        / largest(&mut expected.iter().map(|it| it.abs()))
}

#[test]
fn principal_components_are_those_of_scikit_learn() {
    for expected in of_scikit_learn().pca {
        let rows = rows(expected.shape);
        let components = expected.explained_variance_ratio.len();
        let pca = Pca::fit(&rows, components).unwrap();
        let ratios = apart(
            pca.explained_variance_ratio(),
            &expected.explained_variance_ratio,
        );
        assert!(ratios < 1e-7, "{:?}: {ratios}", expected.shape);
        let points = pca.transform(&rows.narrow(0, 0, 8).unwrap()).unwrap();
        assert_eq!(points.dims(), [8, components]);
        let points = apart(&values(&points), &expected.points);
        assert!(points < 1e-6, "{:?}: {points}", expected.shape);
    }
}

/// Rows of more dimensions are flat, f32 as good as f64, and what does not vary has no components.
#[test]
fn principal_components_of_special_rows() {
    let rows = rows([60, 30]);
    let pca = Pca::fit(&rows, 3).unwrap();
    let images = rows.reshape((60, 5, 2, 3)).unwrap();
    let images = images.to_dtype(DType::F32).unwrap();
    let of_images = Pca::fit(&images, 3).unwrap();
    let [one, two] =
        [pca.transform(&rows), of_images.transform(&images)].map(|it| values(&it.unwrap()));
    assert!(apart(&one, &two) < 1e-5);

    // All on one line.
    let line = (0..20).flat_map(|at| [f64::from(at), 2.0 * f64::from(at), 7.0]);
    let line = tensor(line.collect(), [20, 3]);
    let pca = Pca::fit(&line, 2).unwrap();
    let [first, second] = pca.explained_variance_ratio() else {
        panic!("two components");
    };
    assert!(
        (first - 1.0).abs() < 1e-12 && second.abs() < 1e-12,
        "{first} {second}"
    );
    let points = values(&pca.transform(&line).unwrap());
    assert!((points[0] + 9.5 * 5.0_f64.sqrt()).abs() < 1e-5 && points[1].abs() < 1e-5);

    let same = Tensor::ones((4, 3), DType::F32, &Device::Cpu).unwrap();
    let pca = Pca::fit(&same, 2).unwrap();
    assert_eq!(pca.explained_variance_ratio(), [0.0, 0.0]);
    assert_eq!(values(&pca.transform(&same).unwrap()), [0.0; 8]);
}

/// The first steps one by one; later ones, in which rounding grows, by what they come to.
#[test]
fn points_move_as_in_scikit_learns_exact_t_sne() {
    let (rows, expected) = (groups(), of_scikit_learn());
    let after = |iterations: usize| {
        let tsne = Tsne::new().perplexity(12.0).iterations(iterations);
        values(&tsne.fit_transform(&rows).unwrap())
    };
    let apart = apart(&after(20), &expected.points_after_20);
    assert!(apart < 1e-5, "{apart}");

    let points = after(1000);
    let weight = |one: usize, other: usize| {
        let along = |axis: usize| points[2 * one + axis] - points[2 * other + axis];
        1.0 / (1.0 + along(0).powi(2) + along(1).powi(2))
    };
    let pairs = || (0..60).flat_map(|one| (one + 1..60).map(move |other| (one, other)));
    let all: f64 = pairs().map(|(one, other)| weight(one, other)).sum();
    assert_eq!(pairs().count(), expected.similarities.len());
    let divergence = pairs()
        .zip(&expected.similarities)
        .map(|((one, other), alike)| 2.0 * alike * (2.0 * alike * all / weight(one, other)).ln());
    let (found, theirs) = (divergence.sum::<f64>(), &expected.divergences_after_1000);
    let least = theirs.iter().copied().fold(f64::INFINITY, f64::min);
    let most = theirs.iter().copied().fold(0.0, f64::max);
    assert!(
        (0.95 * least..1.05 * most).contains(&found),
        "{found}: {theirs:?}"
    );
}

/// In a plane, the nearest neighbour is of the same group as often as before.
#[test]
fn neighbours_stay_neighbours() {
    const COUNT: usize = 300;
    let mut random = random(4);
    let middles: Vec<f64> = (0..6 * 40)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    let value = |at: usize| middles[at / 40 % 6 * 40 + at % 40] + random.random_range(-0.8..0.8);
    let rows = tensor((0..COUNT * 40).map(value).collect(), [COUNT, 40]);
    let points = Tsne::new().perplexity(20.0).iterations(500);
    let points: Vec<Vec<f32>> = points.fit_transform(&rows).unwrap().to_vec2().unwrap();
    let distance = |one: usize, other: usize| {
        (points[one][0] - points[other][0]).hypot(points[one][1] - points[other][1])
    };
    let same = (0..COUNT).filter(|&one| {
        let others = (0..COUNT).filter(|&other| other != one);
        let nearest = others.min_by(|&a, &b| distance(one, a).total_cmp(&distance(one, b)));
        nearest.is_some_and(|nearest| nearest % 6 == one % 6)
    });
    assert!(same.count() > COUNT * 98 / 100);
}

#[test]
fn the_same_rows_give_the_same_bits_on_one_thread_and_on_two() {
    let rows = groups();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let tsne = Tsne::new().perplexity(12.0).iterations(300);
            let components = Pca::fit(&rows, 4).unwrap().transform(&rows).unwrap();
            (
                values(&tsne.fit_transform(&rows).unwrap()),
                values(&components),
            )
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn rows_that_cannot_be_embedded_are_refused() {
    let told = |result: fmnist_lib::Result<Tensor>| result.unwrap_err().to_string();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let pca = |features: &Tensor, components: usize| {
        let pca = Pca::fit(features, components)?;
        pca.transform(features)
    };
    assert!(told(pca(&zeros(&[7]), 1)).contains("a row of numbers for each image"));
    assert!(told(pca(&zeros(&[0, 3]), 1)).contains("[0, 3]"));
    assert!(
        told(pca(&zeros(&[4, 3]), 4))
            .contains("4 components cannot be found in 4 rows of 3 numbers")
    );
    assert!(told(pca(&zeros(&[4, 3]), 0)).contains("0 components"));
    assert!(told(pca(&zeros(&[1, 3]), 1)).contains("two rows or more"));
    let fitted = Pca::fit(&zeros(&[4, 3]), 1).unwrap();
    assert!(
        told(fitted.transform(&zeros(&[4, 2]))).contains("rows of 3 numbers, but these have 2")
    );
    for odd in [f64::NAN, f64::INFINITY] {
        let rows = tensor(vec![1.0, 2.0, odd, 4.0], [2, 2]);
        assert!(told(pca(&rows, 1)).contains("not finite"));
        assert!(told(Tsne::new().perplexity(1.0).fit_transform(&rows)).contains("not finite"));
    }

    let tsne =
        |rows: &Tensor, perplexity: f64| Tsne::new().perplexity(perplexity).fit_transform(rows);
    assert!(told(tsne(&zeros(&[5_001, 2]), 30.0)).contains("at most 5000"));
    for perplexity in [0.5, 10.0, f64::NAN] {
        let told = told(tsne(&zeros(&[10, 2]), perplexity));
        assert!(told.contains("less than the number of rows (10)"), "{told}");
    }
    // Rows that are all alike stay where they are.
    let points = tsne(&zeros(&[10, 2]), 3.0).unwrap();
    assert_eq!(values(&points), [0.0; 20]);
    let one_number = tensor((0..10).map(f64::from).collect(), [10, 1]);
    assert!(
        values(&tsne(&one_number, 3.0).unwrap())
            .iter()
            .all(|it| it.is_finite())
    );
}
