"""Gives a notebook the kernel that pool.py keeps ready: passes messages between the two.

relay.py CONNECTION_FILE; exits with 3, having done nothing, where there is no kernel to be had.
"""

import hmac
import json
import os
import socket
import sys

import zmq

DELIMITER = b"<IDS|MSG>"
NONE_READY = 3
COUNTED = (b'"execute_input"', b'"execute_result"', b'"execute_reply"')


class Side:
    """One end: the sockets of a connection file, and the key that signs its messages."""

    def __init__(self, info):
        self.key = info["key"].encode()
        self.address = f"{info['transport']}://{info['ip']}:{{}}"
        self.ports = {name: info[f"{name}_port"] for name in ("shell", "control", "stdin", "iopub", "hb")}

    def bind(self, context, name, kind):
        channel = context.socket(kind)
        channel.linger = 1000
        channel.bind(self.address.format(self.ports[name]))
        return channel

    def connect(self, context, name, kind):
        channel = context.socket(kind)
        channel.linger = 1000
        if kind == zmq.SUB:
            channel.subscribe(b"")
        else:
            # A kernel asks for input where the request for it came from.
            channel.identity = b"relay"
        channel.connect(self.address.format(self.ports[name]))
        return channel

    def signed(self, parts):
        return [DELIMITER, self.signature(parts), *parts]

    def signature(self, parts):
        return hmac.new(self.key, b"".join(parts), "sha256").hexdigest().encode()


def passed(frames, sender, receiver, before):
    """The message as the receiver expects it, or None where the sender's signature is wrong."""
    start = frames.index(DELIMITER)
    parts = frames[start + 2 : start + 6]
    if not hmac.compare_digest(frames[start + 1], sender.signature(parts)):
        return None
    if any(kind in parts[0] for kind in COUNTED):
        content = json.loads(parts[3])
        if "execution_count" in content:
            content["execution_count"] -= before
            parts[3] = json.dumps(content).encode()
    return [*frames[:start], *receiver.signed(parts), *frames[start + 6 :]]


def subscribe(context, kernel, shell):
    """The kernel's broadcasts, from now on: a subscription takes a moment to arrive there."""
    broadcasts = kernel.connect(context, "iopub", zmq.SUB)
    header = {"msg_id": "relay", "msg_type": "kernel_info_request", "username": "", "session": "relay",
              "date": "", "version": "5.3"}
    while not broadcasts.poll(50):
        shell.send_multipart(kernel.signed([json.dumps(header).encode(), b"{}", b"{}", b"{}"]))
        shell.recv_multipart()
    while broadcasts.poll(50):
        broadcasts.recv_multipart()
    return broadcasts


def relay(client, kernel, before, pool):
    """Passes messages until the kernel has ended; cells are numbered from `before` + 1 on there."""
    context = zmq.Context()
    backs = {name: kernel.connect(context, name, zmq.DEALER) for name in ("shell", "control", "stdin")}
    broadcasts = subscribe(context, kernel, backs["shell"])
    routes = {broadcasts: (client.bind(context, "iopub", zmq.PUB), kernel, client)}
    for name, back in backs.items():
        front = client.bind(context, name, zmq.ROUTER)
        routes[front] = (back, client, kernel)
        routes[back] = (front, kernel, client)
    heartbeat = client.bind(context, "hb", zmq.REP)
    poller = zmq.Poller()
    for channel in [*routes, heartbeat, pool]:
        poller.register(channel, zmq.POLLIN)
    while True:
        for channel, _ in poller.poll():
            if channel == pool.fileno():
                return context.destroy()
            frames = channel.recv_multipart()
            if channel is heartbeat:
                channel.send_multipart(frames)
                continue
            target, sender, receiver = routes[channel]
            message = passed(frames, sender, receiver, before)
            if message:
                target.send_multipart(message)


def main():
    pool = socket.socket(socket.AF_UNIX)
    try:
        pool.connect(os.environ["FMNIST_POOL"])
        pool.sendall(json.dumps({"folder": os.getcwd()}).encode() + b"\n")
        answer = json.loads(pool.makefile().readline() or "null")
    except OSError:
        answer = None
    if not answer:
        sys.exit(NONE_READY)
    with open(sys.argv[1], encoding="utf-8") as file:
        client = Side(json.load(file))
    relay(client, Side(answer["connection"]), answer["count"], pool)


if __name__ == "__main__":
    main()
