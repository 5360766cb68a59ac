"""What notebooks/kernel/setup.sh writes while others may read it."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[3] / "notebooks"
SCRIPT = """
set -euo pipefail
. "$NOTEBOOKS/kernel/setup.sh"
find_evcxr() { echo false; }
setup_kernelspec
"""


class Kernelspec(unittest.TestCase):
    def test_a_reader_gets_the_old_one_or_the_new_one_whole(self):
        with tempfile.TemporaryDirectory() as cache:
            venv = Path(cache, "venv")
            folder = venv / "share" / "jupyter" / "kernels" / "rust"
            folder.mkdir(parents=True)
            (venv / "bin").mkdir()
            (venv / "bin" / "python").symlink_to(sys.executable)
            (folder / "logo-64x64.png").touch()
            spec = folder / "kernel.json"
            spec.write_text("the old one")
            with spec.open() as reader:
                environment = {"PATH": "/usr/bin:/bin", "NOTEBOOKS": NOTEBOOKS, "CACHE": cache}
                subprocess.run(["bash", "-c", SCRIPT], env=environment, check=True)
                self.assertEqual(reader.read(), "the old one")
            self.assertEqual(json.loads(spec.read_text())["argv"], [f"{NOTEBOOKS}/start.sh", "kernel", "{connection_file}"])
            settings = venv / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
            self.assertEqual(json.loads(settings.read_text()), json.loads((NOTEBOOKS / "kernel" / "lab.json").read_text()))
            self.assertEqual(sorted(path.name for path in folder.iterdir()), ["kernel.json", "logo-64x64.png"])


if __name__ == "__main__":
    unittest.main()
