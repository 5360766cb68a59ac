"""What is said below a cell while it waits for something else than itself: one line, which changes in place."""

import json
import os
import socket
import threading
import time

PAUSE = 1  # seconds between two changes of the line


class Notice:
    """Shows nothing unless it is told to; says for how long the cell has waited."""

    def __init__(self):
        self.text, self.began, self.connection = None, time.monotonic(), None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.keep_telling, daemon=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        if self.connection:
            self.thread.join()
            self.connection.close()

    def show(self, text):
        self.text = text
        if not self.connection:
            self.connection = connect()
            if self.connection:
                self.thread.start()

    def keep_telling(self):
        while not self.ended.is_set():
            self.tell()
            self.ended.wait(PAUSE)
        self.tell()

    def tell(self):
        line = f"{self.text} ({time.monotonic() - self.began:.0f} s)"
        try:
            self.connection.sendall(json.dumps({"id": f"notice-{os.getpid()}", "data": {"text/plain": line}}).encode() + b"\n")
            self.connection.recv(1)  # it has been told
        except OSError:  # whoever would show it has ended
            self.ended.set()


def connect():
    """The socket by which a cell shows what changes in place (PROTOCOL.md); None where there is none."""
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.environ["FMNIST_STREAMS"] + "/display")
        return connection
    except (KeyError, OSError):
        return None
