"""What ONNX Runtime makes of the ONNX models in the folders of a folder, for the pixels that lie beside them.

Checks each file `model.onnx`. For each `NAME.pixels` beside it, which holds the bytes of images, writes the outputs to
`NAME.scores` as 32-bit floats. The scaling of the pixels and the shape of an image come from the model.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def main(folder):
    for path in folder.glob("*/model.onnx"):
        onnx.checker.check_model(str(path), full_check=True)
        session = onnxruntime.InferenceSession(path)
        scaling = session.get_modelmeta().custom_metadata_map
        mean, deviation = (np.float32(scaling[key]) for key in ("pixel_mean", "pixel_deviation"))
        [image], [output] = session.get_inputs(), session.get_outputs()
        assert (image.name, image.shape[0]) == ("input", "batch"), image
        assert (output.name, output.shape[0]) == ("output", "batch"), output
        for pixels in path.parent.glob("*.pixels"):
            images = np.fromfile(pixels, np.uint8).reshape(-1, *image.shape[1:])
            [scores] = session.run(["output"], {"input": (images.astype(np.float32) - mean) / deviation})
            assert scores.shape == (len(images), *output.shape[1:]), scores.shape
            scores.tofile(pixels.with_suffix(".scores"))


main(Path(sys.argv[1]))
