"""Keras's scores, loss and gradients of the networks in examples/zoo, for weights and images that a formula
gives, in f64.

Prints the file zoo.json, which tests/it/zoo.rs compares with this library's scores. To make it again:

    pip install keras==3.15.1 jax && python zoo.py >zoo.json
"""

import json
import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
import jax  # noqa: E402
import keras  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402
from formulas import LABELS, images, noise, rounded, set_weights  # noqa: E402


def main():
    networks.draws = False
    keras.config.set_floatx("float64")
    results = {}
    for name, network in networks.ZOO.items():
        keras.utils.clear_session()
        x = keras.Input((28, 28, 1))
        model = keras.Model(x, network(x))
        set_weights(model)
        results[name] = {
            "scores": rounded(np.asarray(model(images(), training=False)).flatten().tolist()),
        } | training(model)
    print("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(it)}" for name, it in results.items()) + "\n}")


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
