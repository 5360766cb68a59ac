"""Weights and images that a formula gives, so that no file has to hold them: tests/it/zoo.rs has the same."""

import math

import numpy as np

LABELS = [3, 7]


def noise(key, count):
    """Numbers from -1 to 1 that look random: Wellons's hash "lowbias32" of a counter."""
    x = (np.arange(1, count + 1, dtype=np.uint64) * key & 0xFFFFFFFF).astype(np.uint32)
    x = (x ^ x >> 16) * np.uint32(0x7FEB352D)
    x = (x ^ x >> 15) * np.uint32(0x846CA68B)
    return (x ^ x >> 16) / 2**31 - 1


def weight_of(name, shape):
    """The values of a weight, in the order of its memory, from its name."""
    values = noise(sum(name.encode()) * 7919, math.prod(shape)).reshape(shape)
    kind = name.rsplit(".", 1)[1]
    if kind == "kernel":
        inputs = math.prod(shape[:2]) if "depthwise" in name or "places" in name else math.prod(shape[:-1])
        return values * math.sqrt(6 / inputs)
    return values * 0.1 + (kind in ("gamma", "moving_variance"))


def images():
    """Two images, as the bytes of a dataset divided by 255."""
    values = ((noise(2, 2 * 784) + 1) * 128).astype("uint8")
    return values.reshape(2, 28, 28, 1).astype("float32").astype("float64") / 255


def set_weights(model):
    """Gives each weight of a Keras model the values that its name says."""
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(weight_of(f"{layer.name}.{weight.name}", weight.shape))


def rounded(values):
    return [float(f"{value:.8g}") for value in values]
