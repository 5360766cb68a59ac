"""PyTorch, for `cargo bench`: the arguments, commands and answers of peer_keras.py."""
import sys
import time

import numpy as np
import torch
from torch import nn
from torch_networks import ALL

images_file, labels_file, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
bf16 = sys.argv[4:] == ["bf16"]
torch.set_num_threads(threads)

x = torch.from_numpy(np.fromfile(images_file, np.uint8).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
y = torch.from_numpy(np.fromfile(labels_file, np.uint8).astype(np.int64))
models = {}


class Trained:
    def __init__(self, name, layout):
        self.layout = layout
        self.model = ALL[name]()
        self.model(x[:2])  # tells lazy layers their inputs
        self.model.to(memory_format=layout)
        self.draws = "autoencoder" in name
        self.loss = nn.BCELoss() if self.draws else nn.CrossEntropyLoss()
        self.adam = torch.optim.Adam(self.model.parameters(), 1e-3, fused=True)

    def train(self, steps, batch):
        start = time.perf_counter()
        order = torch.randperm(min(steps * batch, len(x)))
        right = 0
        for chosen in order.split(batch):
            images = x[chosen].to(memory_format=self.layout)
            targets = images if self.draws else y[chosen]
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                scores = self.model(images)
                loss = self.loss(scores, targets)
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            if not self.draws:
                right += (scores.argmax(1) == targets).sum()
        return len(order) / (time.perf_counter() - start)


def fastest(name, batch):
    """The network channels-last or channels-first, whichever trains faster on this machine."""
    if name not in models:
        models.clear()
        both = [Trained(name, layout) for layout in (torch.channels_last, torch.contiguous_format)]
        for trained in both:
            trained.train(2, batch)
        models[name] = max(both, key=lambda trained: trained.train(3, batch))
    return models[name]


def plain(name, batch):
    return Trained(name, torch.channels_last)


def parameters(name):
    """As Keras counts them: moving means are some, how many batches they are of is none."""
    values = Trained(name, torch.channels_last).model.state_dict().values()
    return sum(value.numel() for value in values if value.dim())


print(f"> PyTorch {torch.__version__}{' bf16' if bf16 else ''}", flush=True)
for line in sys.stdin:
    choose, name, steps, batch = line.split()
    if choose == "parameters":
        print(f"> {parameters(name)}", flush=True)
        continue
    trained = {"fastest": fastest, "plain": plain}[choose](name, int(batch))
    print(f"> {trained.train(int(steps), int(batch))}", flush=True)
