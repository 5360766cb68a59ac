"""Ports for the servers of tests."""

import random
import socket


def free_port():
    """Not one of those that the system gives to whoever asks for any, as kernels do all the time."""
    while True:
        port = random.randrange(20_000, 30_000)
        try:
            socket.create_server(("", port)).close()
            return port
        except OSError:
            pass
