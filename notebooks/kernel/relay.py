"""A notebook's kernel: stands between Jupyter and evcxr, and passes messages between the two.

relay.py CONNECTION_FILE. The evcxr behind it is the one that pool.py keeps ready or, where there is
none, one of its own. cells.py puts right what is said about cells on the way. What cells print comes
through runtime.py, and interrupt.py stops them. PROTOCOL.md has the whole.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import evcxr
import zmq
from cells import Cells
from interrupt import Interrupt
from jupyter_client import KernelClient
from runtime import Streams

PATIENCE = 10  # seconds for a kernel that is ready to answer; it takes milliseconds
NO_INPUT = "There is no input here: the cell's reading is at its end.\n"


class Kernel:
    """The evcxr behind a relay: one from the pool, or one of its own."""

    def __init__(self, pooled=True):
        self.pool = socket.socket(socket.AF_UNIX)
        answer = self.from_pool() if pooled else None
        self.own = None
        if answer:
            folder = answer["folder"]
        else:
            self.folder, path, info = evcxr.connection()
            self.own = subprocess.Popen([*evcxr.COMMAND, path], stdin=subprocess.PIPE)
            answer, folder = {"connection": info}, self.folder.name
        self.client = KernelClient()
        self.client.load_connection_info(answer["connection"])
        self.streams = Streams(Path(folder) / "streams", self.ended)

    def from_pool(self):
        """Asks pool.py for a kernel that is ready; None where there is no pool or no kernel."""
        try:
            self.pool.connect(os.environ["FMNIST_POOL"])
            self.pool.sendall(json.dumps({"folder": os.getcwd()}).encode() + b"\n")
            return json.loads(self.pool.makefile().readline() or "null")
        except (KeyError, OSError, ValueError):
            return None

    def ended(self):
        if self.own:
            return self.own.poll() is not None
        return bool(zmq.select([self.pool], [], [], 0)[0])  # the pool hangs up on the dead

    def end(self):
        """Lets an evcxr of its own clear up after itself; the pool does so with one of the pool's."""
        self.pool.close()
        if self.own and self.own.poll() is None:
            self.own.terminate()
            self.own.wait()


class Relay:
    """The sockets on both sides, and the way of each message."""

    def __init__(self, connection_file):
        self.context = zmq.Context()
        self.front = KernelClient(context=self.context)
        self.front.load_connection_file(connection_file)
        self.session = self.front.session
        kinds = {"shell": zmq.ROUTER, "control": zmq.ROUTER, "stdin": zmq.ROUTER, "iopub": zmq.PUB, "hb": zmq.REP}
        self.sockets = {name: self.bind(name, kind) for name, kind in kinds.items()}

    def connect(self, kernel):
        """Returns whether the kernel answers."""
        self.kernel, self.back_session = kernel, kernel.client.session
        kernel.client.context = self.context
        self.back = {name: getattr(kernel.client, f"connect_{name}")(identity=b"relay")
                     for name in ("shell", "control", "stdin")}
        broadcasts = self.subscribed()
        if not broadcasts:
            for channel in self.back.values():
                channel.close(linger=0)
            return False
        self.back["iopub"] = broadcasts
        self.cells, self.asked = Cells(self), False
        self.streams = kernel.streams
        self.streams.connect()
        self.interrupt = Interrupt(self.streams, lambda text: self.cells.output.text("stderr", text))
        return True

    def bind(self, name, kind):
        channel = self.context.socket(kind)
        channel.linger = 1000
        if kind == zmq.ROUTER:
            channel.router_handover = 1  # a page that comes back takes the place of its old connection
        channel.bind(self.front._make_url(name))
        return channel

    def subscribed(self):
        """The kernel's broadcasts, from now on: a subscription takes a moment to arrive there. None where a kernel
        that should be ready does not answer."""
        deadline = time.monotonic() + PATIENCE
        broadcasts, shell = self.kernel.client.connect_iopub(), self.back["shell"]
        while not broadcasts.poll(50):
            self.back_session.send(shell, "kernel_info_request")
            answered = shell.poll(1000)
            if self.kernel.own and self.kernel.ended():
                sys.exit("relay.py: evcxr has ended before it had begun")
            if not self.kernel.own and (self.kernel.ended() or time.monotonic() > deadline):
                broadcasts.close(linger=0)
                return None
            if answered:
                shell.recv_multipart()
        while broadcasts.poll(50):
            broadcasts.recv_multipart()
        return broadcasts

    # What Cells says, and to whom.

    def to_kernel(self, message, idents=()):
        self.back_session.send(self.back["shell"], message, ident=list(idents))

    def reply(self, message, idents):
        self.session.send(self.sockets["shell"], message, ident=idents, buffers=message.get("buffers"))

    def publish(self, message):
        self.session.send(self.sockets["iopub"], message, ident=message["header"]["msg_type"].encode(),
                          buffers=message.get("buffers"))

    # The way of what arrives.

    def handle(self, channel):
        for name, front in self.sockets.items():
            if channel is front:
                return front.send_multipart(front.recv_multipart()) if name == "hb" else self.from_front(name, front)
        name = next(name for name, back in self.back.items() if channel is back)
        idents, message = self.back_session.recv(channel)
        if name == "shell":
            self.cells.replied(idents, message)
        elif name == "iopub":
            self.cells.published(message)
        else:
            self.session.send(self.sockets[name], message, ident=idents)

    def from_front(self, name, front):
        try:
            idents, message = self.session.recv(front)
        except ValueError as error:  # a wrong signature
            print(f"relay.py: {error}", file=sys.stderr)
            return
        if name == "shell":
            self.cells.requested(idents, message)
        elif name == "stdin" and self.asked:  # by the relay, not by evcxr
            self.asked = False
            self.streams.type(message["content"]["value"].replace("\x04", "").encode() + b"\n")
        elif message["header"]["msg_type"] == "interrupt_request":
            self.streams.drain(self.cells.streamed)  # which may say that the cell has ended
            self.interrupt.press(self.cells.running)
            answer = self.session.msg("interrupt_reply", {"status": "ok"}, message["header"])
            self.session.send(front, answer, ident=idents)
        else:
            self.back_session.send(self.back[name], message, ident=idents)

    def ask_for_input(self, cell):
        """A cell waits for input: a field in the notebook or, where nobody sees one, the end of the input."""
        if not (cell and cell.request["content"].get("allow_stdin")):
            self.cells.output.text("stderr", NO_INPUT.encode())
            self.streams.end_input()
            return
        request = self.session.msg("input_request", {"prompt": "", "password": False}, cell.header)
        self.asked = True
        self.cells.output.flush()
        self.session.send(self.sockets["stdin"], request, ident=cell.idents)

    def run(self):
        channels = [one for one in [*self.sockets.values(), *self.back.values()] if one.socket_type != zmq.PUB]
        while True:
            streams = [self.streams.connection.fileno()] if self.streams.connection else []
            ready = zmq.select([*channels, *streams], [], [], self.cells.patience())[0]
            for channel in ready:
                if channel in streams:
                    self.streams.drain(self.cells.streamed)
                else:
                    self.handle(channel)
            self.cells.output.tick()
            self.interrupt.press_on(self.cells.running)
            if not ready and self.kernel.ended():
                return


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Jupyter interrupts by message; a terminal's Ctrl-C is meant for the server. A signal that is
    # ignored would be ignored by evcxr as well, and Stop needs it there.
    signal.signal(signal.SIGINT, lambda *_: None)
    relay = Relay(sys.argv[1])  # which takes its ports at once: they are only free until somebody does
    kernel = Kernel()
    try:
        if not relay.connect(kernel):
            print("relay.py: the kernel that was ready does not answer; another one is started", file=sys.stderr)
            kernel.end()
            kernel = Kernel(pooled=False)
            relay.connect(kernel)
        relay.run()
    finally:
        kernel.end()


if __name__ == "__main__":
    main()
