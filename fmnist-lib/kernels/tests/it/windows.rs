//! Convolutions and pools with windows of any kind, and layer normalisation.

use super::oracle::{error, numbers};
use super::{Case, MIXES, all_bits, bits, errors, same_on_any_threads};
use fmnist_kernels::{
    Activation, AveragePool, Backward, Depthwise, Forward, Gradients, Isa, LayerNorm, MaxPool,
    TransposedConv, WindowConv, Windows,
};

/// Windows of every kind: larger than the image, apart, overlapping, of one pixel, padded unevenly.
fn all_windows(channels: usize) -> Vec<Windows> {
    let windows = |[height, width]: [usize; 2], window, strides, padding| Windows {
        height,
        width,
        channels,
        window,
        strides,
        padding,
    };
    vec![
        windows([9, 7], [5, 5], [1, 1], [[0, 0], [0, 0]]),
        windows([6, 28], [5, 5], [1, 1], [[2, 2], [2, 2]]),
        windows([8, 6], [1, 1], [1, 1], [[0, 0], [0, 0]]),
        windows([5, 8], [2, 3], [2, 1], [[0, 1], [1, 1]]),
        windows([7, 7], [3, 3], [2, 2], [[0, 1], [0, 1]]),
        windows([6, 9], [1, 7], [1, 1], [[0, 0], [3, 3]]),
        windows([10, 10], [2, 2], [3, 3], [[0, 0], [0, 0]]),
        windows([3, 2], [4, 4], [1, 2], [[1, 2], [1, 2]]),
        windows([5, 7], [2, 2], [2, 2], [[1, 0], [1, 1]]),
        windows([1, 1], [1, 1], [1, 1], [[0, 0], [0, 0]]),
    ]
}

/// Calls `visit` with a window, a pixel of it and that pixel's place in the window: the images' number
/// and places in row-major order.
fn pixels(windows: &Windows, n: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let [rows, columns] = windows.output_size();
    for image in 0..n {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
        {
            for tap in 0..windows.window[0] * windows.window[1] {
                let y = row * windows.strides[0] + tap / windows.window[1];
                let x = column * windows.strides[1] + tap % windows.window[1];
                let (y, x) = (
                    y.wrapping_sub(windows.padding[0][0]),
                    x.wrapping_sub(windows.padding[1][0]),
                );
                if y < windows.height && x < windows.width {
                    let window = (image * rows + row) * columns + column;
                    visit(
                        window,
                        (image * windows.height + y) * windows.width + x,
                        tap,
                    );
                }
            }
        }
    }
}

#[test]
fn convolutions_agree_with_plain_loops() {
    for (n, channels, outputs, groups) in [
        (3, 1, 6, 1),
        (2, 3, 17, 1),
        (5, 16, 32, 1),
        (1, 33, 5, 1),
        (37, 2, 3, 1),
        (2, 5, 70, 1),
        (3, 4, 6, 2),
        (2, 9, 3, 3),
        (37, 6, 12, 6),
        (5, 32, 32, 4),
    ] {
        for windows in all_windows(channels) {
            let layer = WindowConv {
                windows,
                outputs,
                groups,
            };
            let of_group = channels / groups;
            let sizes = [
                n * windows.input_len(),
                layer.weights_len(),
                outputs,
                n * windows.count() * outputs,
            ];
            let products = |visit: &mut Visit<'_>| {
                pixels(&windows, n, |window, pixel, tap| {
                    for (p, q) in (0..of_group).flat_map(|p| (0..outputs).map(move |q| (p, q))) {
                        let weight = (tap * of_group + p) * outputs + q;
                        let channel = q / (outputs / groups) * of_group + p;
                        visit(pixel * channels + channel, weight, window * outputs + q);
                    }
                });
            };
            check_products(
                format!("{layer:?}, {n} images"),
                sizes,
                &products,
                &|isa, operands, y| layer.forward(isa, operands, y),
                &|isa, operands, g| layer.backward(isa, operands, g),
            );
        }
    }
}

/// Is told the places of an input, a weight and a sum.
type Visit<'a> = dyn FnMut(usize, usize, usize) + 'a;

/// Runs a convolution whose inputs, weights and outputs have these sizes; `products` tells its argument of each product
/// of an input and a weight, and of the sum that it belongs to.
fn check_products(
    name: String,
    [x, weights, outputs, sums]: [usize; 4],
    products: &dyn Fn(&mut Visit<'_>),
    forward: &dyn Fn(Isa, Forward<'_>, &mut Vec<f32>),
    backward: &dyn Fn(Isa, Backward<'_>, &mut Gradients),
) {
    let (x, weights) = (numbers(x, 1, 1e-6), numbers(weights, 2, 1e-6));
    let (bias, dy) = (numbers(outputs, 3, 1e-6), numbers(sums, 4, 1e-6));
    let mut sums: Vec<f64> = (0..sums).map(|at| bias[at % outputs].into()).collect();
    products(&mut |x_at, w_at, y_at| {
        sums[y_at] += f64::from(x[x_at]) * f64::from(weights[w_at]);
    });
    let gradients = |g: &[f64]| {
        let mut dx = vec![0.0; x.len()];
        let (mut dw, mut db) = (vec![0.0; weights.len()], vec![0.0; outputs]);
        products(&mut |x_at, w_at, y_at| {
            dx[x_at] += f64::from(weights[w_at]) * g[y_at];
            dw[w_at] += f64::from(x[x_at]) * g[y_at];
        });
        for (at, g) in g.iter().enumerate() {
            db[at % outputs] += g;
        }
        (dx, dw, db)
    };
    let case = Case {
        name,
        outputs,
        x: &x,
        weights: &weights,
        bias: &bias,
        dy: &dy,
        sums: &sums,
        gradients: &gradients,
        forward,
        backward,
    };
    case.check(&Isa::available(), MIXES);
}

#[test]
fn transposed_convolutions_agree_with_plain_loops() {
    for (n, channels, inputs) in [(4, 1, 6), (2, 3, 17), (5, 16, 32), (37, 2, 3)] {
        for windows in all_windows(channels) {
            let layer = TransposedConv(WindowConv {
                windows,
                outputs: inputs,
                groups: 1,
            });
            let taps = windows.window[0] * windows.window[1];
            let sizes = [
                n * windows.count() * inputs,
                taps * channels * inputs,
                channels,
                n * windows.input_len(),
            ];
            let products = |visit: &mut Visit<'_>| {
                pixels(&windows, n, |window, pixel, tap| {
                    for (p, q) in (0..channels).flat_map(|p| (0..inputs).map(move |q| (p, q))) {
                        let w_at = (tap * channels + p) * inputs + q;
                        visit(window * inputs + q, w_at, pixel * channels + p);
                    }
                });
            };
            check_products(
                format!("{layer:?}, {n} images"),
                sizes,
                &products,
                &|isa, operands, y| layer.forward(isa, operands, y),
                &|isa, operands, g| layer.backward(isa, operands, g),
            );
        }
    }
}

#[test]
fn depthwise_convolutions_agree_with_plain_loops() {
    for (n, channels, multiplier) in [(3, 5, 1), (2, 3, 4), (7, 32, 1)] {
        for windows in all_windows(channels) {
            let layer = Depthwise {
                windows,
                multiplier,
            };
            let outputs = channels * multiplier;
            let taps = windows.window[0] * windows.window[1];
            let sizes = [
                n * windows.input_len(),
                taps * outputs,
                outputs,
                n * windows.count() * outputs,
            ];
            let products = |visit: &mut Visit<'_>| {
                pixels(&windows, n, |window, pixel, tap| {
                    for q in 0..outputs {
                        let x_at = pixel * channels + q / multiplier;
                        visit(x_at, tap * outputs + q, window * outputs + q);
                    }
                });
            };
            check_products(
                format!("{layer:?}, {n} images"),
                sizes,
                &products,
                &|isa, operands, y| layer.forward(isa, operands, y),
                &|isa, operands, g| layer.backward(isa, operands, g),
            );
        }
    }
}

#[test]
fn pools_agree_with_plain_loops() {
    for (n, channels) in [(3, 1), (2, 6), (2, 18)] {
        for windows in all_windows(channels) {
            // With many ties.
            let x: Vec<f32> = numbers(n * windows.input_len(), 1, 1e-6)
                .iter()
                .map(|x| (x * 4.0).round())
                .collect();
            let count = n * windows.count() * channels;
            let dy = numbers(count, 2, 1e-6);
            let mut largest = vec![f64::NEG_INFINITY; count];
            let mut place = vec![0; count];
            let (mut sums, mut sizes) = (vec![0.0; count], vec![0.0; count]);
            pixels(&windows, n, |window, pixel, _| {
                for p in 0..channels {
                    let (at, from) = (window * channels + p, pixel * channels + p);
                    let value = f64::from(x[from]);
                    if value > largest[at] {
                        (largest[at], place[at]) = (value, from);
                    }
                    sums[at] += value;
                    sizes[at] += 1.0;
                }
            });
            let (mut of_largest, mut of_mean) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            for at in 0..count {
                of_largest[place[at]] += f64::from(dy[at]);
            }
            pixels(&windows, n, |window, pixel, _| {
                for p in 0..channels {
                    let at = window * channels + p;
                    of_mean[pixel * channels + p] += f64::from(dy[at]) / sizes[at];
                }
            });
            let means: Vec<f64> = sums
                .iter()
                .zip(&sizes)
                .map(|(sum, size)| sum / size)
                .collect();
            let (mut y, mut dx) = (vec![7.0; 3], vec![7.0; 3]);
            for isa in Isa::available() {
                MaxPool(windows).forward(isa, &x, &mut y);
                MaxPool(windows).backward(isa, &x, &y, &dy, &mut dx);
                let apart = [error(&y, &largest), error(&dx, &of_largest)];
                assert!(
                    apart[0] == 0.0 && apart[1] < 1e-6,
                    "{}, {windows:?}: {apart:?}",
                    isa.name()
                );
                AveragePool(windows).forward(isa, &x, &mut y);
                AveragePool(windows).backward(isa, &dy, &mut dx);
                let apart = [error(&y, &means), error(&dx, &of_mean)];
                assert!(
                    apart.iter().all(|&apart| apart < 1e-6),
                    "{}, {windows:?}: {apart:?}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn a_nan_is_the_largest_of_its_window_and_gets_its_gradient() {
    let windows = Windows {
        height: 1,
        width: 4,
        channels: 1,
        window: [1, 2],
        strides: [1, 2],
        padding: [[0, 0], [0, 0]],
    };
    let x = [1.0, f32::NAN, 3.0, 2.0];
    let (mut y, mut dx) = (vec![], vec![]);
    for isa in Isa::available() {
        MaxPool(windows).forward(isa, &x, &mut y);
        assert!(y[0].is_nan() && y[1] == 3.0);
        MaxPool(windows).backward(isa, &x, &y, &[5.0, 6.0], &mut dx);
        assert_eq!(dx, [0.0, 5.0, 6.0, 0.0]);
    }
}

#[test]
fn layer_normalisation_agrees_with_its_definition() {
    for (rows, channels) in [(1, 1), (7, 3), (1100, 33)] {
        let layer = LayerNorm {
            channels,
            epsilon: 1e-3,
        };
        let x = numbers(rows * channels, 1, 1e-6);
        let (gamma, beta) = (numbers(channels, 2, 1e-6), numbers(channels, 3, 1e-6));
        let dy = numbers(x.len(), 4, 1e-6);
        let (mut y, mut dx) = (vec![], vec![]);
        let (mut of_gamma, mut of_beta) = (vec![0.0; channels], vec![0.0; channels]);
        for (x, dy) in x.chunks(channels).zip(dy.chunks(channels)) {
            let count = channels as f64;
            let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let variance = x
                .iter()
                .map(|&x| (f64::from(x) - mean).powi(2))
                .sum::<f64>()
                / count;
            let deviation = (variance + 1e-3).sqrt();
            let normal: Vec<f64> = x
                .iter()
                .map(|&x| (f64::from(x) - mean) / deviation)
                .collect();
            let g: Vec<f64> = dy
                .iter()
                .zip(&gamma)
                .map(|(dy, gamma)| f64::from(dy * gamma))
                .collect();
            let shift = g.iter().sum::<f64>() / count;
            let scale = g
                .iter()
                .zip(&normal)
                .map(|(g, normal)| g * normal)
                .sum::<f64>()
                / count;
            for at in 0..channels {
                y.push(normal[at] * f64::from(gamma[at]) + f64::from(beta[at]));
                dx.push((g[at] - shift - normal[at] * scale) / deviation);
                of_gamma[at] += f64::from(dy[at]) * normal[at];
                of_beta[at] += f64::from(dy[at]);
            }
        }
        let (mut found, mut gradients) = (vec![7.0; 3], Gradients::default());
        layer.forward(&x, &gamma, &beta, &mut found);
        layer.backward(&x, &gamma, &dy, &mut gradients);
        let apart = [
            &[error(&found, &y)][..],
            &errors(&gradients, &(dx, of_gamma, of_beta)),
        ]
        .concat();
        assert!(
            apart.iter().all(|&apart| apart < 1e-5),
            "{rows} rows of {channels}: {apart:?}"
        );
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let windows = Windows {
        height: 12,
        width: 12,
        channels: 8,
        window: [5, 5],
        strides: [2, 1],
        padding: [[2, 2], [2, 2]],
    };
    let layer = WindowConv {
        windows,
        outputs: 20,
        groups: 1,
    };
    let depthwise = Depthwise {
        windows,
        multiplier: 1,
    };
    let x = numbers(100 * windows.input_len(), 1, 1e-6);
    let (weights, bias) = (numbers(layer.weights_len(), 2, 1e-6), numbers(20, 3, 1e-6));
    let dy = numbers(100 * layer.output_len(), 4, 1e-6);
    let activation = Activation::relu(None);
    same_on_any_threads(|| {
        let (isa, mut y) = (Isa::best(), vec![]);
        layer.forward(
            isa,
            Forward {
                x: &x,
                weights: &weights,
                bias: &bias,
                activation,
            },
            &mut y,
        );
        let mut g = Gradients::default();
        let operands = Backward {
            x: &x,
            weights: &weights,
            y: &y,
            dy: &dy,
            activation,
            wants_input: true,
        };
        layer.backward(isa, operands, &mut g);
        let mut each = Gradients::default();
        let of_channels = &dy[..100 * windows.count() * 8];
        let of_channels = Backward {
            weights: &weights[..25 * 8],
            y: of_channels,
            dy: of_channels,
            ..operands
        };
        depthwise.backward(isa, of_channels, &mut each);
        let transposed = TransposedConv(layer);
        let mut back = vec![];
        let operands = Forward {
            x: &dy,
            weights: &weights,
            bias: &[0.5; 8],
            activation,
        };
        transposed.forward(isa, operands, &mut back);
        let mut of_back = Gradients::default();
        let operands = Backward {
            x: &dy,
            weights: &weights,
            y: &back,
            dy: &x,
            activation,
            wants_input: true,
        };
        transposed.backward(isa, operands, &mut of_back);
        let all = [&g, &each, &of_back].map(all_bits);
        (bits(&y), bits(&back), all)
    });
}
