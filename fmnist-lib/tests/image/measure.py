"""How long a user waits for the image, beside a Keras notebook on the same machine.

    measure.py [PYTHON_WITH_KERAS]

starts the built image with Docker Compose and prints medians as a Markdown table. PYTHON_WITH_KERAS
needs `keras`, a backend and `ipykernel`; it is driven without a server and without a container, which
is in its favour.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conftest import Stack, command

ROUNDS = 5
READY = 20  # seconds after which another kernel is ready, and the machine quiet
RUST = [
    ':dep fmnist-lib = { path = "../fmnist-lib" }\nuse fmnist_lib::*;\nuse fmnist_lib::candle_core::{DType, Device, Tensor};\n'
    "let a = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;\na.sum_all()?.to_scalar::<f32>()?",
    "let b = (&a + 1.0)?;",
    "let data = FashionMnist::load()?;",
    "one_layer().summary()?",
    "plot::image_grid(&data.train, 10, 3)?",
]
KERAS = [
    "import keras\na = keras.ops.ones((2, 3))\nfloat(keras.ops.sum(a))",
    "b = a + 1",
    "import gzip, numpy as np\nd = '/usr/share/datasets/fashion-mnist/'\n"
    "x = np.frombuffer(gzip.open(d + 'train-images-idx3-ubyte.gz').read(), np.uint8, offset=16).reshape(-1, 28, 28)",
    "keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Conv2D(32, 3), keras.layers.MaxPooling2D(), "
    "keras.layers.Flatten(), keras.layers.Dense(32), keras.layers.Dense(10)]).summary()",
    "import matplotlib.pyplot as plt\nf, g = plt.subplots(3, 10)\nfor h, i in zip(g.flat, x): h.imshow(i)\nf",
]
WHAT = ["kernel start to first tensor", "later cell: a tensor", "load the data", "summary of a network", "30 pictures"]


def rust(stack):
    """Seconds for each of the cells; the first with the start of the kernel."""
    started = time.monotonic()
    with stack.server.kernel() as kernel:
        starting = time.monotonic() - started
        times = [kernel.run(code).expect().seconds for code in RUST]
        return [starting + times[0], *times[1:]]


def keras(python):
    from jupyter_client import BlockingKernelClient  # needed for the comparison only
    from jupyter_client.connect import write_connection_file

    with tempfile.TemporaryDirectory() as folder:
        path, _ = write_connection_file(f"{folder}/connection.json")
        started = time.monotonic()
        process = subprocess.Popen([python, "-m", "ipykernel_launcher", "-f", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = BlockingKernelClient(connection_file=path)
        client.load_connection_file()
        client.start_channels(hb=False)
        client.kernel_info(reply=True, timeout=60)
        try:
            times = []
            for code in KERAS:
                client.execute_interactive(code, output_hook=lambda _: None)
                times.append(time.monotonic() - started)
                started = time.monotonic()
            return times
        finally:
            client.stop_channels()
            process.kill()
            process.wait()


def main():
    stack = Stack(Path(tempfile.mkdtemp()))
    stack.down("--volumes")
    healthy, first, ours, theirs = [], [], [], []
    try:
        for _ in range(ROUNDS):
            stack.down()
            started = time.monotonic()
            stack.up()
            while command("docker", "inspect", "-f", "{{.State.Health.Status}}", stack.container()) != "healthy":
                time.sleep(0.05)
            healthy.append(time.monotonic() - started)
            first.append(rust(stack)[0])
            time.sleep(READY)
            ours.append(rust(stack))
            if len(sys.argv) > 1:
                theirs.append(keras(sys.argv[1]))
    finally:
        stack.down("--volumes")
    print("| Seconds, median of", ROUNDS, "| here | Keras |\n|---|--:|--:|")
    print(f"| `up` to healthy | {spread(healthy)} | |")
    print(f"| then at once: kernel start to first tensor | {spread(first)} | |")
    for index, what in enumerate(WHAT):
        here = spread([times[index] for times in ours])
        print(f"| {what} | {here} | {spread([times[index] for times in theirs]) if theirs else ''} |")


def spread(times):
    return f"{statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f})"


if __name__ == "__main__":
    main()
