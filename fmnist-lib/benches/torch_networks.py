"""The networks of examples/zoo and of the report, in PyTorch."""
import torch
from torch import nn


def conv(filters, size, stride=1, groups=1, bias=True, padding=None):
    padding = size // 2 if padding is None else padding
    return nn.LazyConv2d(filters, size, stride, padding, groups=groups, bias=bias)


def conv_relu(filters, size, padding=None):
    return nn.Sequential(conv(filters, size, padding=padding), nn.ReLU())


def conv_norm(filters, size, stride=1, groups=1):
    return nn.Sequential(conv(filters, size, stride, groups, bias=False), nn.LazyBatchNorm2d())


def conv_norm_relu(*arguments):
    return nn.Sequential(conv_norm(*arguments), nn.ReLU())


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Sum(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        first, second = (branch(x) for branch in self.branches)
        return first + second


class Concatenate(Sum):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def classes():
    return nn.LazyLinear(10)


def mlp(*hidden):
    layers = [layer for units in hidden for layer in (nn.LazyLinear(units), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, classes())


def lenet(activation, pool):
    return nn.Sequential(
        conv(6, 5), activation(), pool(2), conv(16, 5, padding=0), activation(), pool(2), nn.Flatten(),
        nn.LazyLinear(120), activation(), nn.LazyLinear(84), activation(), classes(),
    )


def batch_norm_lenet():
    layers = []
    for filters in (6, 16):
        layers += [conv(filters, 5, padding=0), nn.LazyBatchNorm2d(), nn.Sigmoid(), nn.AvgPool2d(2)]
    layers.append(nn.Flatten())
    for units in (120, 84):
        layers += [nn.LazyLinear(units), nn.LazyBatchNorm1d(), nn.Sigmoid()]
    return nn.Sequential(*layers, classes())


def two_5x5():
    convolutions = [layer for filters in (32, 64) for layer in (conv_relu(filters, 5), nn.MaxPool2d(2))]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.LazyLinear(1024), nn.ReLU(), nn.Dropout(0.4), classes())


def vgg_like():
    layers = []
    for filters in (32, 64):
        layers += [conv_relu(filters, 3), conv_relu(filters, 3), nn.MaxPool2d(2), nn.Dropout(0.25)]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Dropout(0.5), classes())


def nin():
    layers = []
    for number, first, last, size in [(1, 96, 96, 5), (2, 128, 128, 5), (3, 64, 10, 3)]:
        layers += [conv_relu(first, size), conv_relu(first, 1), conv_relu(last, 1)]
        layers += [nn.MaxPool2d(3, 2), nn.Dropout(0.5)] if number < 3 else [Mean()]
    return nn.Sequential(*layers)


def inception():
    def block(of_1, of_3, of_5, of_pool):
        return Concatenate(
            conv_relu(of_1, 1),
            nn.Sequential(conv_relu(of_3 // 2, 1), conv_relu(of_3, 3)),
            nn.Sequential(conv_relu(of_5 // 2, 1), conv_relu(of_5, 5)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_relu(of_pool, 1)),
        )

    return nn.Sequential(
        conv_relu(32, 3), nn.MaxPool2d(3, 2, 1), conv_relu(64, 3), block(16, 32, 8, 8), block(32, 48, 24, 16),
        nn.MaxPool2d(3, 2, 1), block(48, 64, 32, 32), block(64, 96, 48, 48), Mean(), classes(),
    )


def resnet_18():
    layers = [conv_norm_relu(64, 3)]
    for filters, strides in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        body = nn.Sequential(conv_norm_relu(filters, 3, strides), conv_norm(filters, 3))
        shortcut = conv_norm(filters, 1, 2) if strides == 2 else nn.Identity()
        layers += [Sum(body, shortcut), nn.ReLU()]
    return nn.Sequential(*layers, Mean(), classes())


def resnext():
    layers = [conv_norm_relu(32, 3), nn.MaxPool2d(2)]
    for filters, strides in [(64, 1), (128, 2)]:
        half = filters // 2
        body = [conv_norm_relu(half, 1), conv_norm_relu(half, 3, strides, 8), conv_norm(filters, 1)]
        layers += [Sum(nn.Sequential(*body), conv_norm(filters, 1, strides)), nn.ReLU()]
    return nn.Sequential(*layers, Mean(), classes())


def dense_net():
    layers = [conv(24, 3, bias=False)]
    for stage in (1, 2, 3):
        for _ in range(4):
            body = nn.Sequential(nn.LazyBatchNorm2d(), nn.ReLU(), conv(12, 3, bias=False))
            layers.append(Concatenate(nn.Identity(), body))
        layers += [nn.LazyBatchNorm2d(), nn.ReLU()]
        layers += [conv(24 + 24 * stage, 1, bias=False), nn.AvgPool2d(2)] if stage < 3 else [Mean()]
    return nn.Sequential(*layers, classes())


def mobile_net():
    layers, channels = [conv_norm_relu(32, 3)], 32
    for filters, strides in [(64, 1), (64, 2), (128, 1), (128, 2), (256, 1)]:
        layers += [conv_norm_relu(channels, 3, strides, channels), conv_norm_relu(filters, 1)]
        channels = filters
    return nn.Sequential(*layers, Mean(), classes())


def conv_mixer():
    layers = [conv(64, 2, 2, padding=0), nn.GELU(), nn.LazyBatchNorm2d()]
    for _ in range(4):
        places = nn.Sequential(conv(64, 5, groups=64), nn.GELU(), nn.LazyBatchNorm2d())
        layers += [Sum(places, nn.Identity()), conv(64, 1), nn.GELU(), nn.LazyBatchNorm2d()]
    return nn.Sequential(*layers, Mean(), classes())


def autoencoder():
    layers = []
    for filters, padding in [(16, 0), (8, 0), (8, 1)]:
        layers += [conv_relu(filters, 3), nn.MaxPool2d(2, 2, padding)]
    for filters, padding in [(8, 1), (8, 1), (16, 0)]:
        layers += [conv_relu(filters, 3, padding), nn.Upsample(scale_factor=2)]
    return nn.Sequential(*layers, conv(1, 3), nn.Sigmoid())


def transposed_autoencoder():
    layers = [layer for _ in range(2) for layer in (conv_relu(32, 3), nn.MaxPool2d(2))]
    for _ in range(2):
        layers += [nn.LazyConvTranspose2d(32, 3, 2, 1, 1), nn.ReLU()]
    return nn.Sequential(*layers, conv(1, 3), nn.Sigmoid())


def report(hidden, filters, rates):
    layers = []
    for number, (count, rate) in enumerate(zip(filters, rates), 1):
        layers += [conv_relu(count, 3, 0)] + ([nn.MaxPool2d(2)] if number == 1 else []) + [nn.Dropout(rate)]
    layers += [nn.Flatten(), nn.LazyLinear(hidden), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.Dropout(0.4)] if len(filters) == 3 else []), classes())


ALL = {
    "1_Layer": lambda: report(32, [32], [0.2]),
    "2_Layer": lambda: report(64, [32, 64], [0.2, 0.25]),
    "3_layer": lambda: report(128, [32, 64, 128], [0.25, 0.25, 0.4]),
    "softmax-regression": mlp,
    "mlp-128": lambda: mlp(128),
    "mlp-512-512": lambda: mlp(512, 512),
    "lenet-5": lambda: lenet(nn.Sigmoid, nn.AvgPool2d),
    "lenet-5-relu": lambda: lenet(nn.ReLU, nn.MaxPool2d),
} | {
    network.__name__.replace("_", "-"): network
    for network in [
        autoencoder, conv_mixer, transposed_autoencoder, resnext, batch_norm_lenet, mobile_net, dense_net, inception,
        nin, vgg_like, two_5x5, resnet_18,
    ]
}
