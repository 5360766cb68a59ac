"""The relay's end of streams.py: the process that runs the cells, and what comes from it."""

import json
import socket
import sys
import time

import psutil
from streams import CHUNK, END_OF_FILE, FRAME

PATIENCE = 60  # seconds for the process to start; a busy two-core machine needs 2


class Streams:
    def __init__(self, path, ended):
        self.path, self.ended = path, ended
        self.connection, self.held = None, b""
        self.process = self.wrapper = None  # the one that runs the cells, and streams.py
        self.waits = False  # for input

    def connect(self):
        """Waits for the process; evcxr starts another one where one has ended."""
        deadline = time.monotonic() + PATIENCE
        while not self.connection:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.path))
                self.connection, self.held = connection, b""
            except OSError as error:
                connection.close()
                if self.ended() or time.monotonic() > deadline:
                    sys.exit(f"relay.py: the process that runs the cells cannot be reached: {error}")
                time.sleep(0.01)

    def drain(self, act):
        """Gives `act` every kind and content that has arrived."""
        while self.connection:
            try:
                more = self.connection.recv(CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                more = b""
            if not more:
                self.connection.close()
                self.connection, self.waits = None, False
                return
            self.held += more
            for kind, content in self.frames():
                self.know(kind, content)
                act(kind, content)

    def frames(self):
        done = 0
        while len(self.held) >= done + FRAME.size:
            kind, size = FRAME.unpack_from(self.held, done)
            end = done + FRAME.size + size
            if len(self.held) < end:
                break
            yield kind, self.held[done + FRAME.size: end]
            done = end
        self.held = self.held[done:]

    def know(self, kind, content):
        if kind == b"S":
            started = json.loads(content)
            try:
                self.process, self.wrapper = psutil.Process(started["process"]), psutil.Process(started["streams"])
            except psutil.Error:  # ended already
                self.process = self.wrapper = None
        self.waits = kind == b"I" or self.waits and kind not in (b"B", b"E")

    def type(self, line):
        """Gives the cell that waits for it a line of input."""
        self.waits = False
        if self.connection:
            self.connection.sendall(line)

    def end_input(self):
        """Ends the input of a cell that waits for some; returns whether one did."""
        waited = self.waits
        if waited:
            self.type(END_OF_FILE)
        return waited
