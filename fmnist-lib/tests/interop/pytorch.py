"""Networks of tests/it/pytorch.rs in PyTorch.

    pip install torch safetensors numpy

`python pytorch.py make` writes the files in the folder `pytorch`, which that test reads: NAME.safetensors, the weights as
PyTorch saves them, and NAME-scores.safetensors, images (channels last) and what PyTorch makes of them.

`python pytorch.py compare ../../../target/tmp/pytorch` reads the same files as that test has written them, of this
library's weights and scores, and prints the largest difference to PyTorch's scores.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


class Sum(nn.Module):
    """Branches, whose layers are modules of this one."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = [list(branch) for branch in branches]
        for branch in branches:
            for name, layer in branch.items():
                self.add_module(name, layer)

    def outputs(self, x):
        for branch in self.branches:
            output = x
            for name in branch:
                output = getattr(self, name)(output)
            yield output

    def forward(self, x):
        return sum(self.outputs(x))


class Concatenate(Sum):
    def forward(self, x):
        return torch.cat(list(self.outputs(x)), 1)


class ChannelsLast(nn.Module):
    """What a layer makes of images with their channels last."""

    def __init__(self, layer):
        super().__init__()
        self.weight, self.bias, self.layer = layer.weight, layer.bias, [layer]

    def forward(self, x):
        return self.layer[0](x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def norm(channels, of=nn.BatchNorm2d):
    return of(channels, eps=1e-3, momentum=0.01)


def classifier():
    """Images of 9x8x3, five classes."""
    return nn.Sequential(OrderedDict([
        ("conv", nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=1)),
        ("norm", norm(6)),
        ("relu", nn.ReLU()),
        ("block-1_2", Sum(
            {"groups": nn.Conv2d(6, 6, 3, padding=1, groups=3, bias=False), "norm": norm(6), "elu": nn.ELU()},
            {},
            {"layer-norm": ChannelsLast(nn.LayerNorm(6, eps=1e-3))},
        )),
        ("depthwise", nn.Conv2d(6, 12, (2, 3), groups=6)),
        ("views", Concatenate(
            {"flatten": nn.Flatten(), "norm": norm(12 * 4 * 7, nn.BatchNorm1d), "dropout": nn.Dropout(0.5)},
            {"mean": Mean()},
            {"pool": nn.AvgPool2d(3, 2, 1, count_include_pad=False), "flatten-2": nn.Flatten()},
        )),
        ("dense", nn.Linear(12 * 4 * 7 + 12 + 12 * 2 * 4, 7)),
        ("gelu", nn.GELU()),
        ("layer-norm", nn.LayerNorm(7, eps=1e-3)),
        ("output", nn.Linear(7, 5)),
    ]))


def painter():
    """Images of 4x3x2 become images of 12x9x2."""
    return nn.Sequential(OrderedDict([
        ("encode", nn.Conv2d(2, 3, 2)),
        ("flatten", nn.Flatten()),
        ("narrow", nn.Linear(3 * 3 * 2, 5)),
        ("tanh", nn.Tanh()),
        ("wide", nn.Linear(5, 4 * 3 * 6)),
        ("silu", nn.SiLU()),
        ("norm", norm(4 * 3 * 6, nn.BatchNorm1d)),
        ("image", nn.Unflatten(1, (6, 4, 3))),
        ("up", nn.ConvTranspose2d(6, 4, (3, 4), stride=(3, 3), padding=(0, 0))),
        ("leaky", nn.LeakyReLU(0.3)),
        ("output", nn.Conv2d(4, 2, (1, 2))),
        ("sigmoid", nn.Sigmoid()),
    ]))


NETWORKS = {"classifier": (classifier, (9, 8, 3)), "painter": (painter, (4, 3, 2))}


def scores(model, images):
    """Of images with channels last; so are images that the model gives."""
    with torch.no_grad():
        output = model.eval()(images.permute(0, 3, 1, 2))
    return output.permute(0, 2, 3, 1).contiguous() if output.dim() == 4 else output


def make(folder):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(1)
    for name, (network, shape) in NETWORKS.items():
        model, images = network(), torch.randn(3, *shape)
        with torch.no_grad():
            for key, tensor in model.state_dict().items():
                if key.endswith("running_var"):
                    tensor.uniform_(0.5, 1.5)
                elif tensor.dim() == 1:
                    tensor.add_(torch.randn(tensor.shape) * 0.2)
        save_file(model.state_dict(), folder / f"{name}.safetensors", metadata={"format": "pt"})
        tensors = {"images": images, "scores": scores(model, images)}
        save_file(tensors, folder / f"{name}-scores.safetensors")


def compare(folder):
    for name, (network, _) in NETWORKS.items():
        model, ours = network(), load_file(folder / f"{name}-scores.safetensors")
        model.load_state_dict(load_file(folder / f"{name}.safetensors"))
        apart = (scores(model, ours["images"]) - ours["scores"]).abs().max()
        print(f"{name}: {apart / ours['scores'].abs().max():.1e} of the largest score")


match sys.argv[1:]:
    case ["make"]:
        make(Path(__file__).parent / "pytorch")
    case ["compare", folder]:
        compare(Path(folder))
    case _:
        sys.exit(__doc__)
