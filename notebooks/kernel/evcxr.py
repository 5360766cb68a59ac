"""What it takes to start an evcxr of one's own."""

import os
import secrets
import tempfile
from pathlib import Path

from jupyter_client.connect import write_connection_file

START = Path(__file__).resolve().parent.parent / "start.sh"  # `start.sh evcxr CONNECTION_FILE`


def connection():
    """A folder that lives as long as the kernel, the connection file in it, and what that says."""
    folder = tempfile.TemporaryDirectory(prefix="fmnist-kernel-")
    # Without a key, messages would not be signed.
    path, info = write_connection_file(os.path.join(folder.name, "connection.json"), key=secrets.token_hex().encode())
    return folder, path, info
