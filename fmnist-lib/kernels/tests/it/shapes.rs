//! Max pooling, padding, and what shapes the layers take.

use fmnist_kernels::{
    Activation, Backward, Conv, ConvPool, ConvPoolBackward, ConvPoolForward, Dense, Forward,
    Gradients, Isa, MaxPool, Padding, Windows,
};

#[test]
#[should_panic(expected = "MaxPool::forward: x has 7 elements, expected 0")]
fn a_part_of_an_image_is_refused() {
    let pool = MaxPool(Windows {
        height: 4,
        width: 2,
        channels: 1,
        window: [2, 2],
        strides: [2, 2],
        padding: [[0, 0], [0, 0]],
    });
    pool.forward(Isa::best(), &[0.0; 7], &mut vec![]);
}

#[test]
fn padding_frames_each_image_and_takes_the_frame_off_again() {
    let padding = Padding {
        height: 2,
        width: 1,
        channels: 2,
        zeros: [[1, 0], [0, 2]],
    };
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let (mut y, mut dx) = (vec![7.0; 3], vec![7.0; 3]);
    padding.forward(&x, &mut y);
    let mut expected = vec![0.0; 2 * 3 * 3 * 2];
    for (at, pair) in [6, 12, 24, 30].into_iter().zip(x.chunks(2)) {
        expected[at..at + 2].copy_from_slice(pair);
    }
    assert_eq!(y, expected);
    padding.backward(&y, &mut dx);
    assert_eq!(dx, x);
}

#[test]
fn an_empty_batch_has_no_output_and_no_gradient() {
    let (isa, activation) = (Isa::best(), Activation::relu(None));
    let forward = |weights, bias| Forward {
        x: &[],
        weights,
        bias,
        activation,
    };
    let backward = |weights| Backward {
        x: &[],
        weights,
        y: &[],
        dy: &[],
        activation,
        wants_input: true,
    };
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
    let operands = ConvPoolForward {
        x: &[],
        weights: &[1.0; 27],
        bias: &[1.0; 3],
        dropout: None,
    };
    pool.forward(isa, operands, &mut y, &mut codes);
    let operands = ConvPoolBackward {
        x: &[],
        codes: &codes,
        dy: &y,
        scale: 1.0,
    };
    pool.backward(isa, operands, &mut g);
    assert!(y.is_empty() && g.weights == [0.0; 27] && g.bias == [0.0; 3]);
    let conv = Conv {
        window: 3,
        height: 4,
        width: 4,
        inputs: 2,
        outputs: 3,
        padding: 0,
    };
    conv.forward(isa, forward(&[1.0; 54], &[1.0; 3]), &mut y);
    conv.backward(isa, backward(&[1.0; 54]), &mut g);
    assert!(y.is_empty() && g.input.is_empty() && g.weights == [0.0; 54] && g.bias == [0.0; 3]);
    let dense = Dense {
        inputs: 4,
        outputs: 3,
    };
    dense.forward(isa, forward(&[1.0; 12], &[1.0; 3]), &mut y);
    dense.backward(isa, backward(&[1.0; 12]), &mut g);
    assert!(y.is_empty() && g.input.is_empty() && g.weights == [0.0; 12] && g.bias == [0.0; 3]);
}

#[test]
#[should_panic(expected = "Conv::forward: cannot work on a shape of [2, 9, 1]")]
fn a_shape_that_is_too_small_is_named() {
    let conv = Conv {
        window: 3,
        height: 2,
        width: 9,
        inputs: 1,
        outputs: 1,
        padding: 0,
    };
    let operands = Forward {
        x: &[],
        weights: &[0.0; 9],
        bias: &[0.0],
        activation: Activation::default(),
    };
    conv.forward(Isa::best(), operands, &mut vec![]);
}

#[test]
#[should_panic(expected = "less than 2^20 of anything")]
fn a_shape_whose_size_overflows_is_refused() {
    let dense = Dense {
        inputs: 1 << 63,
        outputs: 2,
    };
    let operands = Forward {
        x: &[],
        weights: &[],
        bias: &[0.0; 2],
        activation: Activation::default(),
    };
    dense.forward(Isa::best(), operands, &mut vec![]);
}
