"""PyTorch, for `cargo bench`: the arguments, commands and answers of peer_keras.py."""
import sys
import time

import numpy as np
import torch
from torch import nn

images_file, labels_file, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(threads)

x = torch.from_numpy(np.fromfile(images_file, np.uint8).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
y = torch.from_numpy(np.fromfile(labels_file, np.uint8).astype(np.int64))
loss_function = nn.CrossEntropyLoss()
models = {}


class Trained:
    def __init__(self, layers, layout):
        rates = {1: (0.2,), 2: (0.2, 0.25), 3: (0.25, 0.25, 0.4)}[layers]
        net = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(rates[0])]
        for i in range(1, layers):
            net += [nn.Conv2d(16 << i, 32 << i, 3), nn.ReLU(), nn.Dropout(rates[i])]
        flat = {1: 13 * 13 * 32, 2: 11 * 11 * 64, 3: 9 * 9 * 128}[layers]
        net += [nn.Flatten(), nn.Linear(flat, 16 << layers), nn.ReLU()]
        if layers == 3:
            net.append(nn.Dropout(0.4))
        net.append(nn.Linear(16 << layers, 10))
        self.layout = layout
        self.model = nn.Sequential(*net).to(memory_format=layout)
        self.adam = torch.optim.Adam(self.model.parameters(), 1e-3, fused=True)

    def train(self, steps, batch):
        start = time.perf_counter()
        order = torch.randperm(min(steps * batch, len(x)))
        right = 0
        for chosen in order.split(batch):
            images, labels = x[chosen].to(memory_format=self.layout), y[chosen]
            scores = self.model(images)
            loss = loss_function(scores, labels)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            right += (scores.argmax(1) == labels).sum()
        return len(order) / (time.perf_counter() - start)


def fastest(layers, batch):
    """The network channels-last or channels-first, whichever trains faster on this machine."""
    if layers not in models:
        both = [Trained(layers, layout) for layout in (torch.channels_last, torch.contiguous_format)]
        for trained in both:
            trained.train(2, batch)
        models[layers] = max(both, key=lambda trained: trained.train(8, batch))
    return models[layers]


def plain(layers, batch):
    return Trained(layers, torch.channels_last)


print(f"> PyTorch {torch.__version__}", flush=True)
for line in sys.stdin:
    choose, layers, steps, batch = line.split()
    trained = {"fastest": fastest, "plain": plain}[choose](int(layers), int(batch))
    print(f"> {trained.train(int(steps), int(batch))}", flush=True)
