use fmnist_lib::candle_core::{DType, Device, Tensor, Var};
use fmnist_lib::{
    Activation, AvgPool2d, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Dropout, Flatten,
    GlobalAvgPool2d, Layer, LayerNorm, MaxPool2d, Pass, Reshape, Step, UpSampling2d, ZeroPadding2d,
};
use rand::Rng;

use crate::random;

const STEP: Step = Step {
    seed: 7,
    epoch: 1,
    step: 1,
};

/// Values between -1 and 1 that f32 holds exactly.
fn values(count: usize, seed: u64) -> Vec<f64> {
    let mut random = random(seed);
    (0..count)
        .map(|_| f64::from(random.random_range(-1.0..=1.0_f32)))
        .collect()
}

fn var(shape: &[usize], seed: u64, dtype: DType) -> Var {
    let values = values(shape.iter().product(), seed);
    let tensor = Tensor::from_vec(values, shape, &Device::Cpu)
        .unwrap()
        .to_dtype(dtype)
        .unwrap();
    Var::from_tensor(&tensor).unwrap()
}

fn vars(layer: &dyn Layer, input: &[usize], dtype: DType) -> Vec<Var> {
    let weights = layer.weights(&input[1..]);
    let shapes = std::iter::once(input).chain(weights.iter().map(|w| w.shape.as_slice()));
    shapes
        .zip(1..)
        .map(|(shape, seed)| var(shape, seed, dtype))
        .collect()
}

/// A fixed weighted sum of everything the layer puts out.
fn objective(layer: &dyn Layer, vars: &[Tensor]) -> Tensor {
    let pass = Pass::new("layer", Some(STEP));
    let output = layer.forward(&vars[0], &vars[1..], &pass).unwrap();
    let factors = var(output.dims(), 99, output.dtype());
    (output * factors.as_detached_tensor())
        .unwrap()
        .sum_all()
        .unwrap()
}

fn tensors(vars: &[Var]) -> Vec<Tensor> {
    vars.iter().map(|var| var.as_tensor().clone()).collect()
}

/// Zero where there is none: for what a layer keeps for itself.
fn gradients(layer: &dyn Layer, vars: &[Var]) -> Vec<Vec<f64>> {
    let gradients = objective(layer, &tensors(vars)).backward().unwrap();
    let flat = |var: &Var| match gradients.get(var) {
        Some(gradient) => {
            let gradient = gradient.to_dtype(DType::F64).unwrap();
            gradient.flatten_all().unwrap().to_vec1().unwrap()
        }
        None => vec![0.0; var.elem_count()],
    };
    vars.iter().map(flat).collect()
}

/// Central differences; the values are random, so that none is nearer to a kink than the difference.
fn agrees_with_finite_differences(layer: &dyn Layer, input: &[usize]) {
    const H: f64 = 1e-6;
    let vars = vars(layer, input, DType::F64);
    let analytic = gradients(layer, &vars);
    for (which, var) in vars.iter().enumerate() {
        let start: Vec<f64> = var.flatten_all().unwrap().to_vec1().unwrap();
        for at in 0..start.len() {
            let shifted = |by: f64| {
                let mut moved = start.clone();
                moved[at] += by;
                let mut inputs = tensors(&vars);
                inputs[which] = Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap();
                objective(layer, &inputs).to_scalar::<f64>().unwrap()
            };
            let numeric = (shifted(H) - shifted(-H)) / (2.0 * H);
            let found = analytic[which][at];
            assert!(
                (numeric - found).abs() <= 1e-6 * (1.0 + numeric.abs()),
                "{layer:?}, input {which}, value {at}: {found} instead of {numeric}"
            );
        }
    }
}

/// The operations used in training, in f32, against Candle's in f64.
fn f32_agrees_with_f64(layer: &dyn Layer, input: &[usize], tolerance: f64) {
    let double = vars(layer, input, DType::F64);
    agree(layer, &double, tolerance);
}

fn agree(layer: &dyn Layer, double: &[Var], tolerance: f64) {
    let single = |var: &Var| Var::from_tensor(&var.to_dtype(DType::F32).unwrap()).unwrap();
    let single: Vec<Var> = double.iter().map(single).collect();
    let exact = objective(layer, &tensors(double))
        .to_scalar::<f64>()
        .unwrap();
    let found = f64::from(
        objective(layer, &tensors(&single))
            .to_scalar::<f32>()
            .unwrap(),
    );
    assert!(
        (exact - found).abs() <= 1e-4 * (1.0 + exact.abs()),
        "{layer:?}: {found}, not {exact}"
    );
    for (exact, found) in gradients(layer, double)
        .iter()
        .zip(gradients(layer, &single))
    {
        let scale = exact.iter().fold(0.0_f64, |scale, g| scale.max(g.abs()));
        for (exact, found) in exact.iter().zip(found) {
            assert!(
                (exact - found).abs() <= tolerance * scale,
                "{layer:?}: {found} instead of {exact}"
            );
        }
    }
}

#[test]
fn conv2d() {
    for layer in [
        Conv2d::new(3),
        Conv2d::new(3).relu(),
        Conv2d::new(2).kernel_size(2).relu(),
        Conv2d::new(3).same(),
        Conv2d::new(2).kernel_size(4).same(),
    ] {
        agrees_with_finite_differences(&layer, &[2, 5, 6, 2]);
    }
    for layer in [
        Conv2d::new(32).relu(),
        Conv2d::new(5),
        Conv2d::new(32).same().relu(),
        Conv2d::new(5).same(),
        Conv2d::new(16).kernel_size(5).relu(),
    ] {
        f32_agrees_with_f64(&layer, &[1, 28, 28, 1], 1e-5);
        f32_agrees_with_f64(&layer, &[37, 9, 7, 3], 1e-5);
        f32_agrees_with_f64(&layer, &[3, 13, 13, 32], 1e-5);
    }
}

#[test]
fn windows_of_any_kind() {
    for layer in [
        Conv2d::new(2).kernel_size((1, 3)).strides(2).same(),
        Conv2d::new(2)
            .kernel_size(2)
            .strides((1, 2))
            .padding(1)
            .without_bias(),
        Conv2d::new(3)
            .kernel_size(1)
            .strides((2, 1))
            .activation(Activation::Silu),
        Conv2d::new(2).kernel_size(3).strides(2).padding((2, 1)),
        Conv2d::new(4).groups(2).same().relu(),
    ] {
        agrees_with_finite_differences(&layer, &[2, 5, 6, 2]);
    }
    for layer in [
        DepthwiseConv2d::new(3).same().relu(),
        DepthwiseConv2d::new((2, 3)).strides(2).depth_multiplier(2),
        DepthwiseConv2d::new(2).padding(1).without_bias(),
    ] {
        agrees_with_finite_differences(&layer, &[2, 5, 4, 3]);
    }
    agrees_with_finite_differences(&MaxPool2d::new(3).strides(2).same(), &[2, 6, 5, 2]);
    agrees_with_finite_differences(&MaxPool2d::new((2, 3)).padding(1), &[2, 5, 4, 2]);
    agrees_with_finite_differences(&AvgPool2d::new(3).strides((2, 1)).same(), &[2, 6, 5, 2]);
    agrees_with_finite_differences(&AvgPool2d::new(2), &[2, 5, 4, 3]);
    agrees_with_finite_differences(&GlobalAvgPool2d, &[2, 5, 4, 3]);
    agrees_with_finite_differences(&UpSampling2d::new((2, 3)), &[2, 3, 2, 2]);
    agrees_with_finite_differences(&Reshape::new([3, 4]), &[2, 2, 3, 2]);
    agrees_with_finite_differences(&LayerNorm::new(), &[2, 3, 2, 5]);
}

#[test]
fn activations() {
    for activation in [
        Activation::Linear,
        Activation::Relu,
        Activation::LeakyRelu {
            negative_slope: 0.2,
        },
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
    ] {
        agrees_with_finite_differences(&activation, &[2, 3, 2, 5]);
        agrees_with_finite_differences(&Dense::new(4).activation(activation), &[3, 5]);
    }
}

/// `keras.activations` 3.15 at -1.5, -0.25, 0, 0.5 and 2, to six digits.
#[test]
fn activations_are_those_of_keras() {
    let x = Tensor::new(&[[-1.5_f32, -0.25, 0.0, 0.5, 2.0]], &Device::Cpu).unwrap();
    for (activation, values) in [
        (
            Activation::LeakyRelu {
                negative_slope: 0.2,
            },
            [-0.3, -0.05, 0.0, 0.5, 2.0],
        ),
        (Activation::Elu, [-0.776_870, -0.221_199, 0.0, 0.5, 2.0]),
        (
            Activation::Selu,
            [-1.365_813, -0.388_890, 0.0, 0.525_350, 2.101_402],
        ),
        (
            Activation::Gelu,
            [-0.100_211, -0.100_323, 0.0, 0.345_731, 1.954_500],
        ),
        (
            Activation::Silu,
            [-0.273_638, -0.109_456, 0.0, 0.311_230, 1.761_594],
        ),
        (
            Activation::Sigmoid,
            [0.182_426, 0.437_823, 0.5, 0.622_459, 0.880_797],
        ),
        (
            Activation::Tanh,
            [-0.905_148, -0.244_919, 0.0, 0.462_117, 0.964_028],
        ),
    ] {
        let found = activation.forward(&x, &[], &Pass::new("a", None)).unwrap();
        let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
        for (found, wanted) in found.iter().map(|&it| f64::from(it)).zip(values) {
            assert!(
                (found - wanted).abs() < 2e-6,
                "{activation:?}: {found}, not {wanted}"
            );
        }
    }
}

#[test]
fn dense() {
    agrees_with_finite_differences(&Dense::new(4), &[3, 5]);
    agrees_with_finite_differences(&Dense::new(4).relu(), &[3, 5]);
    f32_agrees_with_f64(&Dense::new(33).relu(), &[384, 101], 1e-5);
    f32_agrees_with_f64(&Dense::new(10), &[1, 32], 1e-5);
}

#[test]
fn batch_norm() {
    for layer in [BatchNorm::new(), BatchNorm::new().relu()] {
        agrees_with_finite_differences(&layer, &[3, 4, 2, 5]);
        agrees_with_finite_differences(&layer, &[6, 3]);
        f32_agrees_with_f64(&layer, &[7, 5, 5, 33], 1e-4);
    }
}

/// The figures are Keras 3.15's, for the same input, weights and two training steps.
#[test]
fn batch_norm_follows_the_moments_as_keras_does() {
    let input = Tensor::new(&[[1.0_f32, -2.0], [3.0, 0.5], [8.0, 2.5]], &Device::Cpu).unwrap();
    let tensor = |values: [f32; 2]| Tensor::new(&values, &Device::Cpu).unwrap();
    let weights = [
        tensor([2.0, 0.5]),
        tensor([0.1, -0.1]),
        tensor([0.0, 0.0]),
        tensor([1.0, 1.0]),
    ];
    let layer = BatchNorm::new().momentum(0.9);
    for step in 1..=2 {
        let step = Step { step, ..STEP };
        layer
            .forward(&input, &weights, &Pass::new("norm", Some(step)))
            .unwrap();
    }
    let close = |found: &Tensor, expected: &[f32]| {
        let found: Vec<f32> = found.flatten_all().unwrap().to_vec1().unwrap();
        let near = found
            .iter()
            .zip(expected)
            .all(|(f, e)| (f - e).abs() < 1e-5);
        assert!(near && found.len() == expected.len(), "{found:?}");
    };
    close(&weights[2], &[0.760000, 0.063333]);
    close(&weights[3], &[2.456667, 1.453889]);
    let output = layer.forward(&input, &weights, &Pass::new("norm", None));
    close(
        &output.unwrap(),
        &[0.406182, -0.955312, 2.957699, 0.081011, 9.336493, 0.910069],
    );
}

#[test]
fn max_pool2d() {
    agrees_with_finite_differences(&MaxPool2d::new(2), &[2, 5, 6, 3]);
    agrees_with_finite_differences(&MaxPool2d::new(3), &[1, 7, 9, 2]);
    // Values in quarters: many windows tie, and both must choose the same maximum.
    for (size, input) in [(2, [5, 27, 26, 32]), (3, [1, 10, 11, 4])] {
        let quarters = ((var(&input, 1, DType::F64).as_tensor() * 4.0)
            .unwrap()
            .round()
            .unwrap()
            * 0.25)
            .unwrap();
        agree(
            &MaxPool2d::new(size),
            &[Var::from_tensor(&quarters).unwrap()],
            1e-6,
        );
    }
}

#[test]
fn a_unique_maximum_receives_its_whole_gradient() {
    let input = Var::new(&[[[[1.0_f32], [2.0]], [[4.0], [3.0]]]], &Device::Cpu).unwrap();
    let output = MaxPool2d::new(2)
        .forward(&input, &[], &Pass::new("pool", None))
        .unwrap();
    let gradients = output.sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&input).unwrap().flatten_all().unwrap();
    assert_eq!(gradient.to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn not_a_number_is_not_pooled_or_rectified_away() {
    for at in 0..4 {
        let mut pixels = [1.0_f32, 2.0, 3.0, 4.0];
        pixels[at] = f32::NAN;
        let input = Tensor::new(&pixels, &Device::Cpu)
            .unwrap()
            .reshape((1, 2, 2, 1))
            .unwrap();
        let pass = Pass::new("layer", None);
        let pooled = MaxPool2d::new(2).forward(&input, &[], &pass).unwrap();
        assert!(pooled.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0].is_nan());
        let layer = Conv2d::new(1).kernel_size(2).relu();
        let kernel = Tensor::ones((2, 2, 1, 1), DType::F32, &Device::Cpu).unwrap();
        let bias = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let output = layer.forward(&input, &[kernel, bias], &pass).unwrap();
        assert!(output.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0].is_nan());
    }
}

/// Where the zeros of "same" padding cannot be as many on both sides, Keras puts one more behind.
#[test]
fn same_padding_lies_where_keras_puts_it() {
    let input = Tensor::new(&[1.0_f32, 2.0, 3.0, 4.0], &Device::Cpu).unwrap();
    let input = input.reshape((1, 2, 2, 1)).unwrap();
    for (window, expected) in [(2, [10.0, 6.0, 7.0, 4.0]), (3, [10.0; 4])] {
        let layer = Conv2d::new(1).kernel_size(window).same().without_bias();
        let kernel = Tensor::ones((window, window, 1, 1), DType::F32, &Device::Cpu).unwrap();
        let sums = layer.forward(&input, &[kernel], &Pass::new("same", None));
        let sums = sums.unwrap().flatten_all().unwrap().to_vec1::<f32>();
        let sums = sums.unwrap().into_iter().zip(expected);
        assert!(sums.clone().all(|(a, b)| (a - b).abs() < 1e-5), "{sums:?}");
    }
}

#[test]
fn dropout_and_flatten() {
    agrees_with_finite_differences(&Dropout::new(0.4), &[4, 3, 2, 5]);
    agrees_with_finite_differences(&ZeroPadding2d::new(2), &[2, 3, 2, 4]);
    agrees_with_finite_differences(&ZeroPadding2d::new(((0, 1), (2, 0))), &[2, 3, 2, 4]);
    agrees_with_finite_differences(&Flatten, &[2, 3, 2, 4]);
}

#[test]
fn dropout_keeps_the_mean_and_drops_its_rate() {
    let ones = Tensor::ones((100, 1000), DType::F32, &Device::Cpu).unwrap();
    for rate in [0.2, 0.25, 0.4] {
        let layer = Dropout::new(rate);
        let dropped = layer
            .forward(&ones, &[], &Pass::new("d", Some(STEP)))
            .unwrap();
        let values: Vec<f32> = dropped.flatten_all().unwrap().to_vec1().unwrap();
        let zeros = values.iter().filter(|&&v| v == 0.0).count() as f64 / values.len() as f64;
        // Five deviations of a binomial with 100,000 draws.
        assert!(
            (zeros - rate).abs() < 5.0 * (rate * (1.0 - rate) / 1e5).sqrt(),
            "{zeros}"
        );
        let kept = (1.0 / (1.0 - rate)) as f32;
        assert!(values.iter().all(|&v| v == 0.0 || v == kept));
        let evaluated = layer.forward(&ones, &[], &Pass::new("d", None)).unwrap();
        assert_eq!(
            evaluated.to_vec2::<f32>().unwrap(),
            ones.to_vec2::<f32>().unwrap()
        );
    }
}

#[test]
fn relu_passes_no_gradient_at_exactly_zero() {
    let layer = Dense::new(1).relu();
    let vars = [
        var(&[1, 1], 1, DType::F32),
        var(&[1, 1], 2, DType::F32),
        var(&[1], 3, DType::F32),
    ];
    vars.iter()
        .for_each(|v| v.set(&v.zeros_like().unwrap()).unwrap());
    let gradients = objective(&layer, &tensors(&vars)).backward().unwrap();
    let bias: Vec<f32> = gradients.get(&vars[2]).unwrap().to_vec1().unwrap();
    assert_eq!(bias, [0.0]);
}
