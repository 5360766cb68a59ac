"""Stands between evcxr and the process that runs the cells, and takes that process's streams.

evcxr starts this program in the place of the runtime, as PROTOCOL.md explains, and this program starts the
runtime. evcxr gets its own words and nothing else. What cells print goes to the relay as bytes, at any time,
and so do the values and pictures that they show. It uses the standard library alone, to start quickly.
"""

import fcntl
import json
import os
import platform
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

from words import Words

FRAME = struct.Struct("<cI")  # what kind of thing it is, and how many bytes follow
CHUNK = 1 << 16
TICK = 0.1  # seconds between two looks at whether a cell waits for input
READ = {"x86_64": "0", "aarch64": "63"}.get(platform.machine())  # the number of the system call `read`
END_OF_FILE = b"\x04"


class Runtime:
    """The process that runs the cells, and this program's ends of its streams."""

    def __init__(self, display):
        self.input, theirs = os.openpty()
        self.terminal = os.ttyname(theirs)
        only_lines(theirs)
        environment = {**os.environ, "FMNIST_DISPLAY": display}
        self.process = subprocess.Popen([environment["FMNIST_EVCXR"], *sys.argv[1:]], env=environment, bufsize=0,
                                        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.theirs = theirs
        self.stdout, self.stderr = self.process.stdout.fileno(), self.process.stderr.fileno()
        for stream in (self.stdout, self.stderr):
            os.set_blocking(stream, False)

    def waits_for_input(self):
        """Whether the process, or one that a cell has started, is in the system call that reads from our terminal.

        It waits for its next command in the same way, and on a busy machine has not taken it yet when we look.
        What it has not taken is still in the terminal."""
        if READ is None or unread(self.theirs):
            return False
        return any(self.reads(process) for process in family(self.process.pid))

    def reads(self, process):
        try:
            return os.readlink(f"/proc/{process}/fd/0") == self.terminal and any(
                (thread / "syscall").read_text().startswith(f"{READ} 0x0 ") for thread in threads(process))
        except OSError:  # it has just ended, or the system does not tell
            return False


def threads(process):
    return Path(f"/proc/{process}/task").iterdir()


def family(process):
    """A process and all that it has started."""
    yield process
    try:
        children = [child for thread in threads(process) for child in (thread / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from family(child)


def unread(terminal):
    """How many bytes of input nobody has read yet."""
    return struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))[0]


def only_lines(terminal):
    """Makes a terminal pass on whole lines, unchanged; END_OF_FILE alone then ends one read, and leaves it open."""
    settings = termios.tcgetattr(terminal)
    characters = [b"\0"] * len(settings[6])
    characters[termios.VEOF] = END_OF_FILE
    termios.tcsetattr(terminal, termios.TCSANOW, [0, 0, settings[2], termios.ICANON, *settings[4:6], characters])


class Streams:
    def __init__(self, folder):
        self.ready = selectors.DefaultSelector()
        self.relay = None
        self.listen(folder / "streams", self.accept_relay)
        self.listen(folder / "display", self.accept_display)
        self.words, self.running, self.asked = Words(), False, False
        self.commands = b""  # of evcxr's, as far as they have come
        self.runtime = Runtime(str(folder / "display"))
        self.wake, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for channel, action in [(0, self.from_evcxr), (self.wake, self.child_changed),
                                (self.runtime.stdout, self.drain), (self.runtime.stderr, self.drain)]:
            self.ready.register(channel, selectors.EVENT_READ, action)

    def listen(self, path, action):
        path.unlink(missing_ok=True)  # of a process that has ended
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self.ready.register(listener, selectors.EVENT_READ, action)

    def run(self):
        while True:
            events = self.ready.select(TICK)
            for key, _ in events:
                key.data(key.fileobj)
            if not events:
                self.text(self.words.rest())
            if self.running and not self.asked and not events and self.runtime.waits_for_input():
                self.drain()  # it may have ended the cell just now, and wait for the next one
                if self.running and not self.asked:
                    self.asked = True
                    self.tell(b"I")

    # To the relay and from it.

    def accept_relay(self, listener):
        if self.relay:
            self.forget_relay()
        self.relay = listener.accept()[0]
        self.ready.register(self.relay, selectors.EVENT_READ, self.from_relay)
        started = {"process": self.runtime.process.pid, "streams": os.getpid(), "running": self.running}
        self.tell(b"S", json.dumps(started).encode())

    def forget_relay(self):
        self.ready.unregister(self.relay)
        self.relay.close()
        self.relay = None

    def tell(self, kind, content=b""):
        try:
            if self.relay:
                self.relay.sendall(FRAME.pack(kind, len(content)) + content)
        except OSError:
            self.forget_relay()

    def from_relay(self, connection):
        """A line that somebody has typed, or END_OF_FILE where nobody can."""
        line = connection.recv(CHUNK)
        if not line:
            self.forget_relay()
        elif self.asked:
            self.asked = False
            os.write(self.runtime.input, line)

    # Between evcxr and the runtime.

    def from_evcxr(self, channel):
        more = os.read(channel, CHUNK)
        if not more:
            self.end()
        *lines, self.commands = (self.commands + more).split(b"\n")
        for line in lines:
            if line.startswith(b"LOAD_AND_RUN "):
                self.running = True
                self.tell(b"B")
            self.asked = False
            os.write(self.runtime.input, line + b"\n")

    def drain(self, _=None):
        """Passes on all that has been written so far. The errors go first: a cell's error is printed before
        the word that says so."""
        more = self.read(self.runtime.stdout)
        while more:
            events = self.words.read(more)
            self.drain_errors()
            for kind, content in events:
                self.event(kind, content)
            more = self.read(self.runtime.stdout)
        self.drain_errors()

    def drain_errors(self):
        while more := self.read(self.runtime.stderr):
            self.tell(b"e", more)

    def read(self, stream):
        try:
            more = os.read(stream, CHUNK)
        except BlockingIOError:
            return b""
        if not more and stream in self.ready.get_map():
            self.ready.unregister(stream)
        return more

    def event(self, kind, content):
        if kind == "text":
            self.text(content)
        elif kind == "content":
            self.tell(b"C", json.dumps(content).encode())
        else:
            self.running = self.running and kind != "end"
            self.asked = kind == "input"  # evcxr asks for itself, and its answer is a line from evcxr
            if kind in ("end", "panic", "error"):
                self.tell({"end": b"E", "panic": b"P", "error": b"Q"}[kind])
            os.write(1, content)

    def text(self, text):
        if text:
            self.tell(b"o", text)

    # What the library shows while a cell runs, through a socket of its own.

    def accept_display(self, listener):
        connection = listener.accept()[0]
        self.ready.register(connection, selectors.EVENT_READ, Shown(self).read)

    def shown(self, connection, line):
        """Answers as soon as the relay has been told, so that text and pictures stay in their order."""
        self.drain()
        self.tell(b"D", line)
        try:
            connection.sendall(b"\n")
        except OSError:
            pass

    # The ends.

    def child_changed(self, channel):
        os.read(channel, CHUNK)
        status = self.runtime.process.poll()
        if status is None:
            return
        self.drain()
        self.text(self.words.rest())
        if status < 0:  # ended by a signal: evcxr and the user are to see the same
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.set_wakeup_fd(-1)
            signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
            os.kill(os.getpid(), -status)
        os._exit(status)

    def end(self):
        """evcxr has gone, or wants another runtime."""
        if self.running:
            self.runtime.process.kill()
        os.close(self.runtime.input)  # which ends one that is idle
        os._exit(0)


class Shown:
    """The lines of one connection of the library's."""

    def __init__(self, streams):
        self.streams, self.part = streams, b""

    def read(self, connection):
        more = connection.recv(CHUNK)
        if not more:
            self.streams.ready.unregister(connection)
            connection.close()
            return
        *lines, self.part = (self.part + more).split(b"\n")
        for line in lines:
            self.streams.shown(connection, line)


def main():
    if os.environ.get("EVCXR_IS_RUNTIME") != "1":  # evcxr as a compiler's wrapper
        os.execv(os.environ["FMNIST_EVCXR"], [os.environ["FMNIST_EVCXR"], *sys.argv[1:]])
    signal.signal(signal.SIGINT, lambda *_: None)  # Stop is meant for the runtime, and sent to it alone
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    Streams(Path(os.environ["FMNIST_STREAMS"])).run()


if __name__ == "__main__":
    main()
