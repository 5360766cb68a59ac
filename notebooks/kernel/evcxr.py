"""What it takes to start an evcxr of one's own."""

import ipaddress
import os
import secrets
import tempfile
from pathlib import Path

from jupyter_client.connect import write_connection_file

START = Path(__file__).resolve().parent.parent / "start.sh"  # `start.sh evcxr CONNECTION_FILE`


def connection():
    """A folder that lives as long as the kernel, the connection file in it, and what that says."""
    folder = tempfile.TemporaryDirectory(prefix="fmnist-kernel-")
    # evcxr listens only after seconds, and until then anything may take the ports that are free now.
    # So it gets an address of its own: all of 127.0.0.0/8 is this machine.
    address = str(ipaddress.ip_address("127.1.0.0") + secrets.randbelow(2**23))
    path, info = write_connection_file(os.path.join(folder.name, "connection.json"), ip=address,
                                       key=secrets.token_hex().encode())  # without it, nothing is signed
    return folder, path, info
