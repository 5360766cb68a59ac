"""Models in Keras's files: `write FOLDER` makes some, `check FOLDER` reads what Rust has made.

Beside NAME.keras lie NAME-images.npy and NAME-scores.npy: what the network answers to these images.
"""

import json
import os
import sys
import zipfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path.insert(0, str(Path(__file__).parent.parent / "keras"))
import h5py  # noqa: E402
import keras  # noqa: E402
import networks  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402

IMAGES = 5


def odd(x):
    """Settings that no network of the zoo has."""
    x = L.Rescaling(1 / 127.5, -1)(x)
    x = L.ZeroPadding2D(((0, 1), (2, 0)))(x)
    x = L.Conv2D(6, (3, 5), (2, 3), activation=L.LeakyReLU(0.1), kernel_initializer="he_normal")(x)
    x = L.DepthwiseConv2D((5, 3), 2, "same", depth_multiplier=3)(x)
    x = L.BatchNormalization(center=False, scale=False, epsilon=1e-5)(x)
    x = L.LeakyReLU(0.2)(x)
    left = L.Conv2DTranspose(4, (2, 3), (3, 2), activation="elu")(x)
    right = L.Activation("selu")(L.Conv2DTranspose(4, (2, 3), (3, 2), use_bias=False)(x))
    x = L.Add()([left, right])
    x = L.Concatenate()([x, L.Conv2D(3, 1, strides=(1, 1), activation="gelu")(x), x])
    x = L.LayerNormalization()(x)
    x = L.AveragePooling2D((2, 3), (1, 2), "same")(x)
    x = L.Dense(12, "tanh", use_bias=False)(L.Flatten()(x))
    x = L.Reshape((2, 3, 2))(x)
    x = L.UpSampling2D((1, 2))(x)
    x = L.Dropout(0.5)(L.Flatten()(x))
    return L.Dense(7, activation="softmax")(x)


def in_a_row():
    """The network of the report as a Keras user writes it, with a softmax."""
    return keras.Sequential([
        keras.Input((28, 28, 1)),
        L.Conv2D(32, 3, activation="relu", kernel_initializer="orthogonal"),
        L.MaxPooling2D(),
        L.Dropout(0.2),
        L.Flatten(),
        L.Dense(32, activation="swish", kernel_regularizer="l2"),
        L.Dense(10),
        L.Softmax(),
    ])


def basic_classification():
    """TensorFlow's tutorial: its images have no channels."""
    return keras.Sequential([
        L.Flatten(input_shape=(28, 28)),
        L.Dense(128, activation="relu"),
        L.Dense(10),
    ])


def fine_tuned(x):
    """A base that stays as it is, of layers that are two here, behind a normalisation that measures nothing anew."""
    x = L.SeparableConv2D(6, 3, padding="same", depth_multiplier=2, activation="relu", trainable=False)(x)
    x = L.BatchNormalization(axis=3, scale=False, trainable=False)(x)
    y = L.SeparableConv2D(6, (3, 2), padding="same", use_bias=False)(x)
    y = L.BatchNormalization(axis=-1, center=False)(y)
    x = L.Add()([x, y])
    x = L.SeparableConv2D(4, 3, strides=2, name="last_of_base")(x)
    x = L.Concatenate(axis=1)([L.Flatten()(x), L.GlobalAveragePooling2D()(x)])
    x = L.BatchNormalization(axis=1)(x)
    x = L.Dense(9, use_bias=False)(x)
    return L.Dense(5, activation="softmax", name="answer")(L.LayerNormalization()(x))


def functional(network, shape=(28, 28, 1)):
    x = keras.Input(shape)
    return keras.Model(x, network(x))


def write(folder):
    keras.utils.set_random_seed(1)
    made = {name: functional(network) for name, network in networks.ZOO.items()}
    made |= {
        "odd": functional(odd, (11, 17, 3)),
        "fine-tuned": functional(fine_tuned, (9, 9, 9)),
        "in-a-row": in_a_row(),
        "basic-classification": basic_classification(),
    }
    for name, model in made.items():
        images = np.random.uniform(0, 1, (IMAGES, *model.input_shape[1:])).astype("float32")
        targets = np.random.uniform(0, 1, (IMAGES, *model.output_shape[1:]))
        # One epoch moves what a batch normalisation has measured, too.
        model.compile("sgd", "mse", run_eagerly=True)
        model.fit(images, targets, verbose=0)
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}-images.npy", images)
        np.save(folder / f"{name}-scores.npy", model.predict(images, verbose=0))
    made["dense-net"].save_weights(folder / "dense-net.weights.h5")
    made["odd"].save(folder / "odd.h5")
    made["fine-tuned"].save(folder / "fine-tuned.h5")
    refused(folder)


@keras.saving.register_keras_serializable("mine")
class Dense(L.Dense):
    """A user's own, by the name of one of Keras's."""


def refused(folder):
    """Networks that this library does not have."""
    x = keras.Input((28, 28, 1))
    rows = L.Reshape((28, 28))(x)
    twice = L.Conv2D(3, 3, padding="same", name="twice")
    first = L.Conv2D(1, 3, padding="same", name="first")(x)
    second = L.Conv2D(1, 3, padding="same", name="second")(first)
    crossed = L.Add(name="crossed")([x, first, second])
    flat = L.Dense(5, name="flat")(L.Flatten()(x))
    square = L.Conv2D(28, 3, padding="same")(x)
    for name, output in {
        "plus": flat + 5.0,
        "constant": L.Add(name="constant")([flat, np.arange(5, dtype="float32")[None]]),
        "joined": keras.ops.concatenate([square, square], -1),
        "own": Dense(3, name="own")(L.Flatten()(x)),
        "all-axes": L.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, name="all-axes")(square),
        "soft-rows": L.Softmax(axis=1, name="soft-rows")(square),
        "soft-flat": L.Softmax(axis=1)(flat),
        "softer": L.Softmax()(L.Dense(5, activation="softmax", name="softer")(L.Flatten()(x))),
        "masked": L.Softmax(name="masked")(flat, mask=keras.ops.ones((1, 5), "bool")),
        "half": L.Flatten(dtype="float16", name="half")(x),
        "inner": keras.Sequential([keras.Input((28, 28, 1)), L.Flatten()], name="inner")(x),
        "recurrent": L.LSTM(4, name="memory")(rows),
        "dilated": L.Conv2D(4, 3, dilation_rate=2, name="dilated")(x),
        "shared": twice(L.Conv2D(3, 3)(twice(L.Conv2D(3, 3)(x)))),
        "crossed": crossed,
        "capped": L.ReLU(6, name="capped")(x),
        "rows": L.BatchNormalization(axis=1, name="rows")(L.Conv2D(26, 3)(x)),
        "stacked": L.Concatenate(axis=1, name="stacked")([x, L.ReLU()(x)]),
        "late": L.Rescaling(1 / 255, name="late")(L.ReLU()(x)),
        "flipped": L.RandomFlip(name="flipped")(x),
        "multiplied": L.Multiply(name="multiplied")([x, L.ReLU()(x)]),
        "smooth": L.UpSampling2D(interpolation="bilinear", name="smooth")(x),
        "line": L.Conv1D(3, 3, name="line")(rows),
    }.items():
        keras.Model(x, output).save(folder / f"{name}.keras")
    x = keras.Input((28, 28))
    bare = L.LayerNormalization(center=False, scale=False, name="bare")(x)
    keras.Model(x, L.Dense(2)(L.Flatten()(bare))).save(folder / "bare.keras")
    tower = first = keras.Input((4, 4, 1))
    for _ in range(100):
        tower = L.Add()([L.ReLU()(tower), first])
    keras.Model(first, tower).save(folder / "tower.keras")


def large(folder):
    """Files that claim more than they hold, and one that somebody has packed anew."""
    with h5py.File(folder / "dims.weights.h5", "w") as file:
        file.create_dataset("layers/conv2d/vars/0", shape=(10**9, 10**9), chunks=(1000, 1000), dtype="f4")
    keras.Sequential([keras.Input((28, 28, 1)), L.Flatten(), L.Dense(3, name="a"), L.Dense(2, name="b")]).save(folder / "plain.keras")
    with zipfile.ZipFile(folder / "plain.keras") as plain:
        parts = {name: plain.read(name) for name in plain.namelist()}
    config = json.loads(parts["config.json"])
    rows = config["config"]["layers"]
    rows[2]["config"]["units"], rows[3]["config"]["units"] = 1_000_000, 1_000
    pack(folder / "units.keras", parts | {"config.json": json.dumps(config)})
    config["config"]["layers"] += [rows[1]] * 4_000
    pack(folder / "layers.keras", parts | {"config.json": json.dumps(config)})
    pack(folder / "deflated.keras", parts, zipfile.ZIP_DEFLATED)


def pack(path, parts, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in parts.items():
            file.writestr(name, content)


def check(folder):
    largest = 0
    for path in sorted(folder.glob("*.keras")):
        model = keras.models.load_model(path)
        images, scores = (np.load(folder / f"{path.stem}-{what}.npy") for what in ("images", "scores"))
        difference = compare(path.stem, model, images, scores)
        copy = keras.models.clone_model(model)
        copy.load_weights(folder / f"{path.stem}.weights.h5")
        compare(f"{path.stem}, weights alone", copy, images, scores)
        largest = max(largest, difference)
        if path.stem == "odd":  # what was read can be trained and written again
            assert [layer.name for layer in model.layers if not layer.trainable] == ["grow"]
            model.compile("sgd", "mse", run_eagerly=True)
            model.fit(images, scores, verbose=0)
            model.save(folder / "again.keras")
    print(f"read by Keras: largest difference, relative to the largest score: {largest:.1e}")


def compare(name, model, images, scores):
    found = model.predict(images, verbose=0)
    difference = np.abs(found - scores).max() / np.abs(scores).max()
    assert found.shape == scores.shape and difference < 1e-5, f"{name}: {difference}"
    return difference


{"write": write, "large": large, "check": check}[sys.argv[1]](Path(sys.argv[2]))
