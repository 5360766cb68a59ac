"""What it takes to start an evcxr of one's own."""

import ipaddress
import os
import secrets
import sys
import tempfile

from jupyter_client.connect import write_connection_file
from places import KERNEL

COMMAND = [sys.executable, "-S", str(KERNEL / "live.py")]  # with the connection file behind it


def connection():
    """A folder that lives as long as the kernel, the connection file in it, and what that says."""
    folder = tempfile.TemporaryDirectory(prefix="fmnist-kernel-")
    # evcxr listens only after seconds, and until then anything may take the ports that are free now.
    # So it gets an address of its own: all of 127.0.0.0/8 is this machine.
    address = str(ipaddress.ip_address("127.1.0.0") + secrets.randbelow(2**23))
    path, info = write_connection_file(os.path.join(folder.name, "connection.json"), ip=address,
                                       key=secrets.token_hex().encode())  # without it, nothing is signed
    return folder, path, info
