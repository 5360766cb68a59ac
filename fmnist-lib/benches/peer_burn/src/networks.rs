//! The networks of examples/zoo and of the report, in burn.

use burn::nn::PaddingConfig2d;
use burn::tensor::Device;

use crate::layers::{Builder, Network};

/// The network of this name. The sigmoid at the end of an autoencoder is in its loss.
pub(crate) fn build(name: &str, device: &Device) -> Option<Network> {
    let x = Builder::new(device);
    let x = match name {
        "1_Layer" => report(x, &[(32, 0.2)], 32),
        "2_Layer" => report(x, &[(32, 0.2), (64, 0.25)], 64),
        "3_layer" => report(x, &[(32, 0.25), (64, 0.25), (128, 0.4)], 128).dropout(0.4),
        "softmax-regression" => x,
        "mlp-128" => x.linear(128).relu(),
        "mlp-512-512" => x.linear(512).relu().linear(512).relu(),
        "lenet-5" => lenet(x, Builder::sigmoid, |x| x.avg_pool(2)),
        "lenet-5-relu" => lenet(x, Builder::relu, |x| x.max_pool(2, 2, 0)),
        "batch-norm-lenet" => batch_norm_lenet(x),
        "two-5x5" => two_5x5(x),
        "vgg-like" => vgg_like(x),
        "inception" => inception(x),
        "resnet-18" => resnet_18(x),
        "resnext" => resnext(x),
        "dense-net" => dense_net(x),
        "mobile-net" => mobile_net(x),
        "conv-mixer" => conv_mixer(x),
        "nin" => return Some(nin(x).build()),
        "autoencoder" => return Some(autoencoder(x).build()),
        "transposed-autoencoder" => return Some(transposed_autoencoder(x).build()),
        _ => return None,
    };
    Some(x.linear(10).build())
}

fn conv_relu(x: Builder, filters: usize, size: usize) -> Builder {
    x.conv(filters, size, |config| config).relu()
}

fn unpadded(x: Builder, filters: usize, size: usize) -> Builder {
    x.conv(filters, size, |config| {
        config.with_padding(PaddingConfig2d::Valid)
    })
}

fn conv_norm(x: Builder, filters: usize, size: usize, stride: usize, groups: usize) -> Builder {
    let conv = x.conv(filters, size, |config| {
        let config = config.with_stride([stride; 2]).with_groups(groups);
        config.with_bias(false)
    });
    conv.norm()
}

fn report(mut x: Builder, convolutions: &[(usize, f64)], units: usize) -> Builder {
    for (index, &(filters, rate)) in convolutions.iter().enumerate() {
        x = unpadded(x, filters, 3).relu();
        x = if index == 0 { x.max_pool(2, 2, 0) } else { x };
        x = x.dropout(rate);
    }
    x.linear(units).relu()
}

fn lenet(
    x: Builder,
    active: impl Fn(Builder) -> Builder,
    pool: impl Fn(Builder) -> Builder,
) -> Builder {
    let x = pool(active(x.conv(6, 5, |config| config)));
    let x = pool(active(unpadded(x, 16, 5)));
    active(active(x.linear(120)).linear(84))
}

fn batch_norm_lenet(mut x: Builder) -> Builder {
    for filters in [6, 16] {
        x = unpadded(x, filters, 5).norm().sigmoid().avg_pool(2);
    }
    let x = x.linear(120).norm().sigmoid();
    x.linear(84).norm().sigmoid()
}

fn two_5x5(x: Builder) -> Builder {
    let x = conv_relu(x, 32, 5).max_pool(2, 2, 0);
    let x = conv_relu(x, 64, 5).max_pool(2, 2, 0);
    x.linear(1024).relu().dropout(0.4)
}

fn vgg_like(mut x: Builder) -> Builder {
    for filters in [32, 64] {
        x = conv_relu(conv_relu(x, filters, 3), filters, 3);
        x = x.max_pool(2, 2, 0).dropout(0.25);
    }
    x.linear(128).relu().dropout(0.5)
}

fn nin(mut x: Builder) -> Builder {
    for (first, last, size) in [(96, 96, 5), (128, 128, 5), (64, 10, 3)] {
        x = conv_relu(conv_relu(conv_relu(x, first, size), first, 1), last, 1);
        x = match last {
            10 => x.mean(),
            _ => x.max_pool(3, 2, 0).dropout(0.5),
        };
    }
    x
}

fn inception(x: Builder) -> Builder {
    let block = |x: Builder, [of_1, of_3, of_5, of_pool]: [usize; 4]| {
        let branches = [
            conv_relu(x.branch(), of_1, 1),
            conv_relu(conv_relu(x.branch(), of_3 / 2, 1), of_3, 3),
            conv_relu(conv_relu(x.branch(), of_5 / 2, 1), of_5, 5),
            conv_relu(x.branch().max_pool(3, 1, 1), of_pool, 1),
        ];
        x.concatenate(branches)
    };
    let x = conv_relu(conv_relu(x, 32, 3).max_pool(3, 2, 1), 64, 3);
    let x = block(block(x, [16, 32, 8, 8]), [32, 48, 24, 16]);
    let x = block(x.max_pool(3, 2, 1), [48, 64, 32, 32]);
    block(x, [64, 96, 48, 48]).mean()
}

fn resnet_18(x: Builder) -> Builder {
    let mut x = conv_norm(x, 64, 3, 1, 1).relu();
    for (filters, strides) in [(64, [1, 1]), (128, [2, 1]), (256, [2, 1]), (512, [2, 1])] {
        for stride in strides {
            let body = conv_norm(x.branch(), filters, 3, stride, 1).relu();
            let body = conv_norm(body, filters, 3, 1, 1);
            let shortcut = match stride {
                1 => x.branch(),
                _ => conv_norm(x.branch(), filters, 1, stride, 1),
            };
            x = x.sum([body, shortcut]).relu();
        }
    }
    x.mean()
}

fn resnext(x: Builder) -> Builder {
    let mut x = conv_norm(x, 32, 3, 1, 1).relu().max_pool(2, 2, 0);
    for (filters, stride) in [(64, 1), (128, 2)] {
        let body = conv_norm(x.branch(), filters / 2, 1, 1, 1).relu();
        let body = conv_norm(body, filters / 2, 3, stride, 8).relu();
        let body = conv_norm(body, filters, 1, 1, 1);
        let shortcut = conv_norm(x.branch(), filters, 1, stride, 1);
        x = x.sum([body, shortcut]).relu();
    }
    x.mean()
}

fn dense_net(x: Builder) -> Builder {
    let conv = |x: Builder, filters, size| x.conv(filters, size, |config| config.with_bias(false));
    let mut x = conv(x, 24, 3);
    for stage in 1..=3 {
        for _ in 0..4 {
            let body = conv(x.branch().norm().relu(), 12, 3);
            let input = x.branch();
            x = x.concatenate([input, body]);
        }
        x = x.norm().relu();
        x = match stage {
            3 => x.mean(),
            _ => conv(x, 24 + 24 * stage, 1).avg_pool(2),
        };
    }
    x
}

fn mobile_net(x: Builder) -> Builder {
    let mut x = conv_norm(x, 32, 3, 1, 1).relu();
    for (filters, stride) in [(64, 1), (64, 2), (128, 1), (128, 2), (256, 1)] {
        let channels = x.channels();
        x = conv_norm(x, channels, 3, stride, channels).relu();
        x = conv_norm(x, filters, 1, 1, 1).relu();
    }
    x.mean()
}

fn conv_mixer(x: Builder) -> Builder {
    let patches = x.conv(64, 2, |config| {
        let config = config.with_stride([2; 2]);
        config.with_padding(PaddingConfig2d::Valid)
    });
    let mut x = patches.gelu().norm();
    for _ in 0..4 {
        let places = x.branch().conv(64, 5, |config| config.with_groups(64));
        let branches = [places.gelu().norm(), x.branch()];
        x = x.sum(branches);
        x = x.conv(64, 1, |config| config).gelu().norm();
    }
    x.mean()
}

fn autoencoder(mut x: Builder) -> Builder {
    for (filters, padding) in [(16, 0), (8, 0), (8, 1)] {
        x = conv_relu(x, filters, 3).max_pool(2, 2, padding);
    }
    let x = conv_relu(x, 8, 3).up_sampling();
    let x = conv_relu(x, 8, 3).up_sampling();
    let x = unpadded(x, 16, 3).relu().up_sampling();
    x.conv(1, 3, |config| config)
}

fn transposed_autoencoder(mut x: Builder) -> Builder {
    for _ in 0..2 {
        x = conv_relu(x, 32, 3).max_pool(2, 2, 0);
    }
    for _ in 0..2 {
        x = x.conv_transpose(32, 3).relu();
    }
    x.conv(1, 3, |config| config)
}
