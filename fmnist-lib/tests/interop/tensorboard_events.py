"""What TensorBoard's own reader finds in the runs below a folder.

Writes `events.json` into the folder: for each run, plugin and tag, the steps with their values. Images are the width and
the height that the event tells, and those of the PNG itself. For each weight in a file `LAYER.WEIGHT.npy` beside the
runs, checks the last histogram against NumPy's.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def value(plugin, array):
    if plugin != "images":
        return array.tolist()
    width, height, png = array
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG", image.format
    return [int(width), int(height), *image.size]


def events(run):
    accumulator = EventAccumulator(str(run), size_guidance={"tensors": 0})
    accumulator.Reload()
    found = {}
    for tag in accumulator.Tags()["tensors"]:
        plugin = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
        steps = [[it.step, value(plugin, make_ndarray(it.tensor_proto))] for it in accumulator.Tensors(tag)]
        found.setdefault(plugin, {})[tag] = steps
    return found


def check_histogram(path, run):
    weight = np.load(path).astype(np.float64)
    [_, buckets] = run["histograms"][path.stem.replace(".", "/") + "/histogram"][-1]
    left, right, counts = np.array(buckets).T
    expected, edges = np.histogram(weight, bins=30)
    if weight.min() == weight.max():
        # NumPy makes room around a single value; TensorFlow does not.
        expected, edges = np.eye(30)[29] * weight.size, np.full(31, weight.min())
    np.testing.assert_array_equal(counts, expected, str(path))
    np.testing.assert_allclose(left, edges[:-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(right, edges[1:], rtol=0, atol=1e-12)


def main(folder):
    runs = {path.name: events(path) for path in folder.iterdir() if path.is_dir()}
    for path in folder.glob("*.npy"):
        check_histogram(path, runs["train"])
    (folder / "events.json").write_text(json.dumps(runs))


main(Path(sys.argv[1]))
