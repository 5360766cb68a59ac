"""Keras's scores, loss and gradients of the networks in examples/zoo, for weights and images that a formula
gives, in f64.

Prints the file zoo.json, which tests/it/zoo.rs compares with this library's scores. To make it again:

    pip install keras==3.15.1 jax && python zoo.py >zoo.json

Each network is written here anew, by its layers' names in Keras, so that what "same" and strides mean, the
order of weights and the joining of branches are Keras's own. Names of layers in branches have `.` for `/`.
"""

import json
import math
import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402

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


def conv(x, name, filters, size, strides=1, padding="same", activation=None, bias=True, groups=1):
    return L.Conv2D(filters, size, strides, padding, groups=groups, activation=activation, use_bias=bias, name=name)(x)


def dense(x, name, units, activation=None):
    return L.Dense(units, activation=activation, name=name)(x)


def norm(x, name, activation=None):
    x = L.BatchNormalization(name=name)(x)
    return L.Activation(activation)(x) if activation else x


def output(x):
    return dense(x, "output", 10)


def mean(x):
    return L.GlobalAveragePooling2D()(x)


def softmax_regression(x):
    return output(L.Flatten()(x))


def mlp_128(x):
    return output(dense(L.Flatten()(x), "hidden", 128, "relu"))


def mlp_512_512(x):
    return output(dense(dense(L.Flatten()(x), "hidden-1", 512, "relu"), "hidden-2", 512, "relu"))


def lenet_head(x, activation):
    return output(dense(dense(L.Flatten()(x), "dense-1", 120, activation), "dense-2", 84, activation))


def lenet_5(x):
    x = L.AveragePooling2D(2)(conv(x, "conv-1", 6, 5, activation="sigmoid"))
    x = L.AveragePooling2D(2)(conv(x, "conv-2", 16, 5, padding="valid", activation="sigmoid"))
    return lenet_head(x, "sigmoid")


def lenet_5_relu(x):
    x = L.MaxPooling2D(2)(conv(x, "conv-1", 6, 5, activation="relu"))
    x = L.MaxPooling2D(2)(conv(x, "conv-2", 16, 5, padding="valid", activation="relu"))
    return lenet_head(x, "relu")


def batch_norm_lenet(x):
    for number, filters in [(1, 6), (2, 16)]:
        x = norm(conv(x, f"conv-{number}", filters, 5, padding="valid"), f"norm-{number}", "sigmoid")
        x = L.AveragePooling2D(2)(x)
    x = L.Flatten()(x)
    for number, units in [(1, 120), (2, 84)]:
        x = norm(dense(x, f"dense-{number}", units), f"norm-{number + 2}", "sigmoid")
    return output(x)


def two_5x5(x):
    for number, filters in [(1, 32), (2, 64)]:
        x = L.MaxPooling2D(2)(conv(x, f"conv-{number}", filters, 5, activation="relu"))
    return output(dense(L.Flatten()(x), "dense", 1024, "relu"))


def vgg_like(x):
    for number, filters in [(1, 32), (2, 64)]:
        for part in "ab":
            x = conv(x, f"conv-{number}{part}", filters, 3, activation="relu")
        x = L.MaxPooling2D(2)(x)
    return output(dense(L.Flatten()(x), "dense", 128, "relu"))


def nin(x):
    for number, first, last, size in [(1, 96, 96, 5), (2, 128, 128, 5), (3, 64, 10, 3)]:
        x = conv(x, f"conv-{number}", first, size, activation="relu")
        x = conv(x, f"pixel-{number}a", first, 1, activation="relu")
        x = conv(x, f"pixel-{number}b", last, 1, activation="relu")
        x = L.MaxPooling2D(3, 2)(x) if number < 3 else x
    return mean(x)


def inception(x):
    def block(x, name, of_1, of_3, of_5, of_pool):
        def part(x, layer, filters, size):
            return conv(x, f"{name}.{layer}", filters, size, activation="relu")

        return L.Concatenate()([
            part(x, "1x1", of_1, 1),
            part(part(x, "3x3-reduce", of_3 // 2, 1), "3x3", of_3, 3),
            part(part(x, "5x5-reduce", of_5 // 2, 1), "5x5", of_5, 5),
            part(L.MaxPooling2D(3, 1, "same")(x), "pool-1x1", of_pool, 1),
        ])

    x = L.MaxPooling2D(3, 2, "same")(conv(x, "stem-1", 32, 3, activation="relu"))
    x = conv(x, "stem-2", 64, 3, activation="relu")
    x = block(block(x, "inception-1", 16, 32, 8, 8), "inception-2", 32, 48, 24, 16)
    x = L.MaxPooling2D(3, 2, "same")(x)
    x = block(block(x, "inception-3", 48, 64, 32, 32), "inception-4", 64, 96, 48, 48)
    return output(mean(x))


def resnet_18(x):
    x = norm(conv(x, "stem", 64, 3, bias=False), "stem-norm", "relu")
    for stage, filters in [(1, 64), (2, 128), (3, 256), (4, 512)]:
        for number in (1, 2):
            name, strides = f"block-{stage}.{number}", 2 if stage > 1 and number == 1 else 1
            body = norm(conv(x, f"{name}.conv-1", filters, 3, strides, bias=False), f"{name}.norm-1", "relu")
            body = norm(conv(body, f"{name}.conv-2", filters, 3, bias=False), f"{name}.norm-2")
            if strides == 2:
                x = norm(conv(x, f"{name}.shortcut", filters, 1, 2, bias=False), f"{name}.shortcut-norm")
            x = L.ReLU()(L.Add()([body, x]))
    return output(mean(x))


def resnext(x):
    x = L.MaxPooling2D(2)(norm(conv(x, "stem", 32, 3, bias=False), "stem-norm", "relu"))
    for name, filters, strides in [("block-1", 64, 1), ("block-2", 128, 2)]:
        body = norm(conv(x, f"{name}.narrow", filters // 2, 1, bias=False), f"{name}.narrow-norm", "relu")
        body = conv(body, f"{name}.groups", filters // 2, 3, strides, bias=False, groups=8)
        body = norm(body, f"{name}.groups-norm", "relu")
        body = norm(conv(body, f"{name}.wide", filters, 1, bias=False), f"{name}.wide-norm")
        x = norm(conv(x, f"{name}.shortcut", filters, 1, strides, bias=False), f"{name}.shortcut-norm")
        x = L.ReLU()(L.Add()([body, x]))
    return output(mean(x))


def dense_net(x):
    x = conv(x, "stem", 24, 3, bias=False)
    for stage in (1, 2, 3):
        for number in (1, 2, 3, 4):
            name = f"dense-{stage}.{number}"
            body = conv(norm(x, f"{name}.norm", "relu"), f"{name}.conv", 12, 3, bias=False)
            x = L.Concatenate()([x, body])
        x = norm(x, f"norm-{stage}", "relu")
        if stage < 3:
            x = L.AveragePooling2D(2)(conv(x, f"transition-{stage}", 24 + 24 * stage, 1, bias=False))
    return output(mean(x))


def mobile_net(x):
    x = norm(conv(x, "stem", 32, 3, bias=False), "stem-norm", "relu")
    for number, (filters, strides) in enumerate([(64, 1), (64, 2), (128, 1), (128, 2), (256, 1)], 1):
        x = L.DepthwiseConv2D(3, strides, "same", use_bias=False, name=f"depthwise-{number}")(x)
        x = conv(norm(x, f"norm-{number}a", "relu"), f"pixel-{number}", filters, 1, bias=False)
        x = norm(x, f"norm-{number}b", "relu")
    return output(mean(x))


def conv_mixer(x):
    x = norm(conv(x, "patches", 64, 2, 2, "valid", "gelu"), "patches-norm")
    for number in (1, 2, 3, 4):
        name = f"mix-{number}"
        body = L.DepthwiseConv2D(5, padding="same", activation="gelu", name=f"{name}.places")(x)
        x = L.Add()([norm(body, f"{name}.norm"), x])
        x = norm(conv(x, f"channels-{number}", 64, 1, activation="gelu"), f"norm-{number}")
    return output(mean(x))


def autoencoder(x):
    for number, filters in [(1, 16), (2, 8), (3, 8)]:
        x = L.MaxPooling2D(2, padding="same")(conv(x, f"encode-{number}", filters, 3, activation="relu"))
    for number, filters, padding in [(1, 8, "same"), (2, 8, "same"), (3, 16, "valid")]:
        x = L.UpSampling2D(2)(conv(x, f"decode-{number}", filters, 3, padding=padding, activation="relu"))
    return conv(x, "output", 1, 3, activation="sigmoid")


def transposed_autoencoder(x):
    for number in (1, 2):
        x = L.MaxPooling2D(2, padding="same")(conv(x, f"encode-{number}", 32, 3, activation="relu"))
    for number in (1, 2):
        x = L.Conv2DTranspose(32, 3, strides=2, activation="relu", padding="same", name=f"decode-{number}")(x)
    return conv(x, "output", 1, 3, activation="sigmoid")


def main():
    networks = [autoencoder, softmax_regression, conv_mixer, transposed_autoencoder, resnext, batch_norm_lenet, lenet_5,
                lenet_5_relu, mobile_net, dense_net, mlp_128, inception, nin, vgg_like, mlp_512_512, two_5x5, resnet_18]
    keras.config.set_floatx("float64")
    results = {}
    for network in networks:
        keras.utils.clear_session()
        x = keras.Input((28, 28, 1))
        model = keras.Model(x, network(x))
        for layer in model.layers:
            for weight in layer.weights:
                weight.assign(weight_of(f"{layer.name}.{weight.name}", weight.shape))
        results[network.__name__.replace("_", "-")] = {
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
