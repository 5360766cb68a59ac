"""Keras on TensorFlow, for `cargo bench`. Usage: peer_keras.py IMAGES LABELS THREADS [bf16]

IMAGES and LABELS are files of bytes: 28x28 pixels and one label per image. With bf16, computes in that as far as
Keras's own switch for it does. Prints "> NAME"; then answers each line "fastest NETWORK STEPS BATCH" or
"plain NETWORK STEPS BATCH" on standard input with "> IMAGES_PER_SECOND" of training that network, and
"parameters NETWORK STEPS BATCH" with how many it has.
"""
import os
import sys
import time
from pathlib import Path

images_file, labels_file, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
bf16 = sys.argv[4:] == ["bf16"]
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/keras"))

import keras
import networks
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)
if bf16:
    keras.config.set_dtype_policy("mixed_bfloat16")

x = np.fromfile(images_file, np.uint8).reshape(-1, 28, 28, 1).astype(np.float32) / 255
y = np.fromfile(labels_file, np.uint8).astype(np.int32)
models = {}


def build(name, jit):
    images = keras.Input((28, 28, 1))
    model = keras.Model(images, (networks.REPORT | networks.ZOO)[name](images))
    if "autoencoder" in name:
        model.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(), jit_compile=jit)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=jit)
    return model


class Clock(keras.callbacks.Callback):
    """Times the epoch alone, without what `fit` sets up around it."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


def train(model, steps, batch):
    count = min(steps * batch, len(x))
    targets = x if model.output_shape[1:] == (28, 28, 1) else y
    clock = Clock()
    model.fit(x[:count], targets[:count], batch_size=batch, verbose=0, callbacks=[clock])
    return count / clock.seconds


def fastest(name, batch):
    """The network with XLA or without, whichever trains faster on this machine."""
    if name not in models:
        models.clear()
        keras.utils.clear_session()
        both = [build(name, jit) for jit in (True, False)]
        for model in both:
            train(model, 2, batch)
        models[name] = max(both, key=lambda model: train(model, 3, batch))
    return models[name]


def plain(name, batch):
    return build(name, "auto")


print(f"> Keras {keras.__version__} (TensorFlow {tf.__version__}){' bf16' if bf16 else ''}", flush=True)
for line in sys.stdin:
    choose, name, steps, batch = line.split()
    if choose == "parameters":
        print(f"> {build(name, 'auto').count_params()}", flush=True)
        continue
    model = {"fastest": fastest, "plain": plain}[choose](name, int(batch))
    print(f"> {train(model, int(steps), int(batch))}", flush=True)
