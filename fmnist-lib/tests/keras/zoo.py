"""Keras's scores, loss and gradients of the networks in examples/zoo, for weights and images that a formula
gives, in f64.

Prints the file zoo.json, which tests/it/zoo.rs compares with this library's scores. To make it again:

    pip install keras==3.15.1 jax && python zoo.py >zoo.json
"""

import json
import math
import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
import jax  # noqa: E402
import keras  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402

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


def main():
    networks.draws = False
    keras.config.set_floatx("float64")
    results = {}
    for name, network in networks.ZOO.items():
        keras.utils.clear_session()
        x = keras.Input((28, 28, 1))
        model = keras.Model(x, network(x))
        for layer in model.layers:
            for weight in layer.weights:
                weight.assign(weight_of(f"{layer.name}.{weight.name}", weight.shape))
        results[name] = {
            "scores": rounded(np.asarray(model(images(), training=False)).flatten().tolist()),
        } | training(model)
    print("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(it)}" for name, it in results.items()) + "\n}")


def rounded(values):
    return [float(f"{value:.8g}") for value in values]


def training(model):
    """The loss of a training step, and of each weight's gradient the length and the product with noise."""

    def loss(weights):
        scores, _ = model.stateless_call(weights, model.non_trainable_variables, images(), training=True)
        if scores.shape == images().shape:
            return keras.losses.binary_crossentropy(images(), scores).mean()
        return keras.losses.sparse_categorical_crossentropy(np.array(LABELS), scores, from_logits=True).mean()

    value, gradients = jax.value_and_grad(loss)([weight.value for weight in model.trainable_variables])
    names = {id(weight): f"{layer.name}.{weight.name}" for layer in model.layers for weight in layer.weights}
    told = {}
    for weight, gradient in zip(model.trainable_variables, gradients):
        gradient = np.asarray(gradient).flatten()
        product = gradient @ noise(1, gradient.size)
        told[names[id(weight)]] = rounded([float(np.linalg.norm(gradient)), float(product)])
    return {"loss": rounded([float(value)])[0], "gradients": told}


main()
