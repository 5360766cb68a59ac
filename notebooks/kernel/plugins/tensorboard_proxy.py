"""TensorBoard in JupyterLab's launcher, for those who have installed `jupyter-server-proxy` and `tensorboard`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[2]


def server():
    """What jupyter-server-proxy starts when somebody opens it: it shows what is in `logs`, beside the notebooks."""
    logs = Path(os.environ.get("FMNIST_WORK_DIR") or NOTEBOOKS) / "logs"
    return {
        "command": [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port", "{port}"],
        "timeout": 60,  # seconds; TensorBoard takes 5 to start, a busy machine longer
        "launcher_entry": {"title": "TensorBoard", "enabled": find_spec("tensorboard") is not None},
    }
