use fmnist_lib::*;
use std::io::Read;
fn rd(n: &str, skip: usize) -> Vec<u8> {
    let mut v = vec![];
    flate2::read::GzDecoder::new(
        std::fs::File::open(format!("/usr/share/datasets/fashion-mnist/{n}")).unwrap(),
    )
    .read_to_end(&mut v)
    .unwrap();
    v[skip..].to_vec()
}
fn main() {
    let data = Dataset::new(
        rd("train-images-idx3-ubyte.gz", 16),
        rd("train-labels-idx1-ubyte.gz", 8),
    )
    .unwrap();
    let (train, val) = Split::new(0.8, 42).apply(&data).unwrap();
    let a: Vec<usize> = std::env::args()
        .skip(1)
        .map(|x| x.parse().unwrap())
        .collect();
    for m in &a[1..] {
        let spec = [one_layer, two_layer, three_layer][m - 1]();
        let model = spec.build(42).unwrap();
        println!("{}", spec.name());
        fit(
            &model,
            &train.take(512 * a[0]),
            &val.take(4096),
            FitConfig::default().epochs(2).verbose(Verbose::Lines),
        )
        .unwrap();
    }
}
