"""Where things lie: what this checkout brings, and what set-up makes of it. And how both speak to the user."""

import contextlib
import fcntl
import os
import sys
from pathlib import Path

KERNEL = Path(__file__).resolve().parent
NOTEBOOKS = KERNEL.parent
ROOT = NOTEBOOKS.parent
LIBRARY = ROOT / "fmnist-lib"

USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "fmnist-lib")
CACHE = Path(os.environ.get("FMNIST_CACHE_DIR") or USER_CACHE)
VENV = CACHE / "venv"
PYTHON = VENV / "bin" / "python"
TEMPLATE = CACHE / "kernel" / "template"  # a kernel's folder is a copy of this
DATASET = Path("/usr/share/datasets/fashion-mnist")


def live_folder():
    """Where kernels write: beside the template or, where that is read-only, in the user's cache."""
    folder = TEMPLATE.parent
    return folder if os.access(folder, os.W_OK) else USER_CACHE / "kernel"


@contextlib.contextmanager
def alone(path, waits=lambda: None):
    """Holds the lock `path`; calls `waits` before it waits for whoever holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(message):
    print(f"start.sh: {message}", file=sys.stderr, flush=True)


def die(message):
    say(message)
    sys.exit(1)


def replace(path, content):
    """Gives a file another content so that whoever reads it meanwhile gets one or the other, whole."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of a start that was cut short
    with open(new, "xb") as file:  # "x" follows no link
        file.write(content.encode() if isinstance(content, str) else content)
    os.replace(new, path)
