"""Keras on TensorFlow, for `cargo bench`. Usage: peer_keras.py IMAGES LABELS THREADS

IMAGES and LABELS are files of bytes: 28x28 pixels and one label per image. Prints "> NAME"; then
answers each line "fastest LAYERS STEPS BATCH" or "plain LAYERS STEPS BATCH" on standard input with
"> IMAGES_PER_SECOND" of training the network of 1, 2 or 3 convolutions.
"""
import os
import sys
import time

images_file, labels_file, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl

tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(threads)

x = np.fromfile(images_file, np.uint8).reshape(-1, 28, 28, 1).astype(np.float32) / 255
y = np.fromfile(labels_file, np.uint8).astype(np.int32)
models = {}


def build(layers, jit):
    rates = {1: (0.2,), 2: (0.2, 0.25), 3: (0.25, 0.25, 0.4)}[layers]
    net = [kl.Input((28, 28, 1)), kl.Conv2D(32, 3, activation="relu"), kl.MaxPooling2D(2), kl.Dropout(rates[0])]
    for i in range(1, layers):
        net += [kl.Conv2D(32 << i, 3, activation="relu"), kl.Dropout(rates[i])]
    net += [kl.Flatten(), kl.Dense(16 << layers, activation="relu")]
    if layers == 3:
        net.append(kl.Dropout(0.4))
    model = keras.Sequential(net + [kl.Dense(10)])
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
    clock = Clock()
    model.fit(x[:count], y[:count], batch_size=batch, verbose=0, callbacks=[clock])
    return count / clock.seconds


def fastest(layers, batch):
    """The network with XLA or without, whichever trains faster on this machine."""
    if layers not in models:
        both = [build(layers, jit) for jit in (True, False)]
        for model in both:
            train(model, 2, batch)
        models[layers] = max(both, key=lambda model: train(model, 8, batch))
    return models[layers]


def plain(layers, batch):
    return build(layers, "auto")


print(f"> Keras {keras.__version__} (TensorFlow {tf.__version__})", flush=True)
for line in sys.stdin:
    choose, layers, steps, batch = line.split()
    model = {"fastest": fastest, "plain": plain}[choose](int(layers), int(batch))
    print(f"> {train(model, int(steps), int(batch))}", flush=True)
