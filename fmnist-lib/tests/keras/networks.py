"""The networks of examples/zoo and of the report, in Keras: functions from an input to an output.

Each network is written here anew, by its layers' names in Keras, so that what "same" and strides mean, the
order of weights and the joining of branches are Keras's own. Names of layers in branches have `.` for `/`.
"""
from keras import layers as L

# Whether dropout drops: no two libraries draw alike.
draws = True


def conv(x, name, filters, size, strides=1, padding="same", activation=None, bias=True, groups=1):
    return L.Conv2D(filters, size, strides, padding, groups=groups, activation=activation, use_bias=bias, name=name)(x)


def dense(x, name, units, activation=None):
    return L.Dense(units, activation=activation, name=name)(x)


def norm(x, name, activation=None):
    x = L.BatchNormalization(name=name)(x)
    return L.Activation(activation)(x) if activation else x


def dropout(x, rate):
    return L.Dropout(rate if draws else 0)(x)


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
    return output(dropout(dense(L.Flatten()(x), "dense", 1024, "relu"), 0.4))


def vgg_like(x):
    for number, filters in [(1, 32), (2, 64)]:
        for part in "ab":
            x = conv(x, f"conv-{number}{part}", filters, 3, activation="relu")
        x = dropout(L.MaxPooling2D(2)(x), 0.25)
    return output(dropout(dense(L.Flatten()(x), "dense", 128, "relu"), 0.5))


def nin(x):
    for number, first, last, size in [(1, 96, 96, 5), (2, 128, 128, 5), (3, 64, 10, 3)]:
        x = conv(x, f"conv-{number}", first, size, activation="relu")
        x = conv(x, f"pixel-{number}a", first, 1, activation="relu")
        x = conv(x, f"pixel-{number}b", last, 1, activation="relu")
        x = dropout(L.MaxPooling2D(3, 2)(x), 0.5) if number < 3 else x
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


def report(x, hidden, filters, rates):
    for number, (count, rate) in enumerate(zip(filters, rates), 1):
        x = conv(x, f"Conv2D-{number}", count, 3, padding="valid", activation="relu")
        x = dropout(L.MaxPooling2D(2)(x) if number == 1 else x, rate)
    x = dense(L.Flatten()(x), "Dense", hidden, "relu")
    return output(dropout(x, 0.4) if len(filters) == 3 else x)


def one_layer(x):
    return report(x, 32, [32], [0.2])


def two_layer(x):
    return report(x, 64, [32, 64], [0.2, 0.25])


def three_layer(x):
    return report(x, 128, [32, 64, 128], [0.25, 0.25, 0.4])


REPORT = {"1_Layer": one_layer, "2_Layer": two_layer, "3_layer": three_layer}
ZOO = {
    network.__name__.replace("_", "-"): network
    for network in [
        autoencoder, softmax_regression, conv_mixer, transposed_autoencoder, resnext, batch_norm_lenet, lenet_5,
        lenet_5_relu, mobile_net, dense_net, mlp_128, inception, nin, vgg_like, mlp_512_512, two_5x5, resnet_18,
    ]
}
