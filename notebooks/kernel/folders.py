"""Whether the folders that a server needs can be written; ends, with what to do, where they cannot."""

import errno
import os
import sys
import tempfile
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir


def check_work(folder):
    """An hour's work that cannot be saved is lost: better not to begin it."""
    if error := refusal(folder):
        end(f"nothing can be saved in {folder}: {error.strerror}",
            *remedy(folder, error, read_only=["mount it without :ro"]))


def check_own():
    """The folders of Jupyter, of running kernels and of downloaded crates."""
    needed = [jupyter_data_dir(), jupyter_runtime_dir(), os.environ.get("FMNIST_CARGO_HOME")]
    needed += [os.path.dirname(os.environ.get(name, "")) for name in ("FMNIST_POOL", "FMNIST_SERVER_FILE")]
    for folder in dict.fromkeys(nearest(Path(one)) for one in needed if one):
        if error := refusal(folder):
            end(f"nothing can be written in {folder}, where Jupyter and running kernels keep their files: {error.strerror}",
                *remedy(folder, error, read_only=[f"put a volume there: docker run --volume {folder} ..."], other=[
                    "or have Docker make the volume anew, without settings and crates: docker compose down --volumes"]))


def nearest(path):
    """The path or, where it is not there, the folder in which it would be made."""
    return path if path.exists() or path == path.parent else nearest(path.parent)


def refusal(folder):
    """The error that writing in a folder gives, if any."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".start-", dir=folder):
            return None
    except OSError as error:
        return error


def remedy(folder, error, read_only, other=()):
    """What the user can do, in lines."""
    if error.errno == errno.EROFS:
        return read_only
    if not isinstance(error, PermissionError):
        return []
    owner = os.stat(folder)
    return [f"it belongs to user {owner.st_uid}:{owner.st_gid}, and this is user {os.getuid()}:{os.getgid()}: "
            "give it to this user with chown or,",
            f"in Docker, start as its owner: docker run --user {owner.st_uid}:{owner.st_gid}, or docker compose up without NB_UID",
            *other]


def end(*lines):
    sys.exit("\n".join(f"start.sh: {line}" for line in lines))
