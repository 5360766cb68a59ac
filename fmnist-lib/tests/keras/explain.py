"""What TensorFlow makes of inner layers, saliency and Grad-CAM, for networks, weights and images of zoo.py, in f64.

Prints the file explain.json, which tests/it/explain.rs compares with this library's. To make it again:

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 && python explain.py >explain.json
"""

import json
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from formulas import LABELS, images, noise, rounded, set_weights  # noqa: E402

# For each network, layers that give maps: in a row, in branches, with and without a ReLU.
LAYERS = {
    "lenet-5-relu": ["conv-1", "conv-2"],
    "vgg-like": ["conv-2b"],
    "inception": ["stem-2", "inception-1/3x3", "inception-4/pool-1x1"],
    "resnext": ["block-1/wide", "block-1/shortcut"],
}


def summary(values):
    """The length, and the product with noise."""
    values = np.asarray(values).flatten()
    return rounded([float(np.linalg.norm(values)), float(values @ noise(1, values.size))])


def chosen(scores, classes):
    return tf.gather(scores, classes, axis=1, batch_dims=1)


def saliency(model, classes):
    pixels = tf.constant(images())
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        score = chosen(model(pixels, training=False), classes)
    return tf.reduce_max(tf.abs(tape.gradient(score, pixels)), axis=-1)


def grad_cam(model, layer, classes):
    """As in https://keras.io/examples/vision/grad_cam, without the division by the largest value."""
    both = keras.Model(model.inputs, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        maps, scores = both(images(), training=False)
        score = chosen(scores, classes)
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    return maps, tf.nn.relu(tf.reduce_sum(maps * weights, axis=-1))


def main():
    networks.draws = False
    keras.config.set_floatx("float64")
    results = {}
    for name, layers in LAYERS.items():
        keras.utils.clear_session()
        x = keras.Input((28, 28, 1))
        model = keras.Model(x, networks.ZOO[name](x))
        set_weights(model)
        found = np.argmax(model(images(), training=False), axis=1).tolist()
        results[name] = {"classes": found, "saliency": [summary(saliency(model, it)) for it in (found, LABELS)]}
        for layer in layers:
            maps, heat = grad_cam(model, layer.replace("/", "."), LABELS)
            told = {"output": summary(maps), "grad_cam": rounded(np.asarray(heat).flatten().tolist())}
            results[name].setdefault("layers", {})[layer] = told
    print("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(it)}" for name, it in results.items()) + "\n}")


main()
