"""Keeps one Rust kernel ready, so that a notebook need not wait for it.

A kernel that has just been started needs some seconds to read Candle's and the standard library's
sources. The server starts this program, which does that ahead of time; a notebook's kernel
(relay.py) then asks here, over the socket FMNIST_POOL, for the one that is ready. It holds it for as
long as it holds the connection. When the server ends, so do all of them. FMNIST_READY_MINUTES ends one that no
notebook has asked for in that time: its memory is of use to others.
"""

import asyncio
import contextlib
import json
import os
import queue
import signal
import sys
import time

import evcxr
import library
from jupyter_client import AsyncKernelClient
from places import TEMPLATE

MINUTES = float(os.environ.get("FMNIST_READY_MINUTES") or "inf")
PAUSE = 2  # seconds before the next kernel is made ready, for the notebook that has just begun
LONG_PAUSE = 10  # seconds, where that notebook has to start a kernel of its own
LAST = 1  # seconds in which the last that a kernel says of a cell comes behind its reply
PATIENCE = 30  # seconds a notebook waits for it; Jupyter waits 60 for the notebook's kernel
# The line of the notebooks here or, where that way leads nowhere, the one that works in every folder: another
# line than that of the warm-up costs a notebook two seconds.
DEPENDENCY = '{ path = "../fmnist-lib" }' if os.path.isdir("../fmnist-lib") else "{ workspace = true }"
# Leaves nothing behind but the dependency: a variable that is moved out is forgotten.
WARM_UP = [
    f":dep fmnist-lib = {DEPENDENCY}",
    "let warm = fmnist_lib::candle_core::Tensor::ones((2, 3), fmnist_lib::candle_core::DType::F32, "
    "&fmnist_lib::candle_core::Device::Cpu)?;",
    "drop(warm);",
]


def is_last(message, request):
    """Whether this is the last that a kernel says of a request."""
    about = message["parent_header"].get("msg_id") == request["msg_id"]
    return about and message["content"].get("execution_state") == "idle"


class Spare:
    """A kernel that has run the warm-up."""

    async def start(self):
        self.stamp = (TEMPLATE / "stamp").read_text()
        self.folder, path, self.connection = evcxr.connection()
        self.process = await asyncio.create_subprocess_exec(
            *evcxr.COMMAND, path, stdin=asyncio.subprocess.PIPE, start_new_session=True)
        ends = [asyncio.ensure_future(self.process.wait()), asyncio.ensure_future(self.warm_up(path))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not ends[1].done():
                raise RuntimeError(f"it ended with status {self.process.returncode}")
            ends[1].result()
        except BaseException:
            self.stop()
            raise
        finally:
            ends[1].cancel()
        return self

    async def warm_up(self, path):
        client = AsyncKernelClient(connection_file=path)
        client.load_connection_file()
        client.start_channels(hb=False)
        try:
            for cell in WARM_UP:
                reply = await client.execute(cell, reply=True, timeout=600)
                # A connection that is closed while something is left to read is reset, and an evcxr that sees this
                # may answer nobody any more.
                with contextlib.suppress(queue.Empty):
                    while not is_last(await client.get_iopub_msg(timeout=LAST), reply["parent_header"]):
                        pass
        finally:
            client.stop_channels()

    def stop(self):
        if self.process.returncode is None:
            # Its shell then clears away what the others leave.
            os.killpg(self.process.pid, signal.SIGTERM)
        self.folder.cleanup()


class Pool:
    def __init__(self):
        self.given = set()
        self.next = asyncio.create_task(Spare().start())
        self.asked = time.monotonic()

    async def later(self, pause):
        await asyncio.sleep(pause)
        return await Spare().start()

    def end_idle(self):
        """Ends the kernel that is ready where nobody has asked for one in a long time."""
        if self.next and self.next.done() and time.monotonic() - self.asked > 60 * MINUTES:
            self.stop_next()
            self.next = None

    def stop_next(self):
        if self.next.done() and not self.next.exception():
            self.next.result().stop()

    async def give(self, reader, writer):
        """Answers a relay: with a kernel, or with null where the notebook must start its own."""
        request = json.loads(await reader.readline())
        self.asked = time.monotonic()
        spare = None
        if not self.next:
            self.next = asyncio.create_task(self.later(LONG_PAUSE))
        elif request["folder"] == os.getcwd():
            ready, self.next = self.next, asyncio.create_task(self.later(PAUSE))
            try:
                spare = await asyncio.wait_for(ready, PATIENCE)
            except Exception as error:
                print(f"pool.py: no kernel could be made ready: {error!r}", file=sys.stderr)
        # It has died while it waited, or has loaded a library that was changed since.
        if spare and (spare.process.returncode is not None or library.has_changed(spare.stamp)):
            spare.stop()
            spare = None
        if spare:
            self.given.add(spare)
            answer = {"connection": spare.connection, "folder": spare.folder.name}
            writer.write(json.dumps(answer, default=bytes.decode).encode() + b"\n")
            ends = [asyncio.ensure_future(reader.read()), asyncio.ensure_future(spare.process.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            spare.stop()
            self.given.discard(spare)
        else:
            writer.write(b"null\n")
        writer.close()

    async def end(self):
        if self.next:
            self.stop_next()
            self.next.cancel()
        for spare in self.given:
            spare.stop()
        await asyncio.gather(*filter(None, [self.next]), return_exceptions=True)


async def main():
    server = os.getppid()
    # It ends when the server does. Not ignored: evcxr would inherit that, and Stop needs the signal there.
    signal.signal(signal.SIGINT, lambda *_: None)
    pool = Pool()
    address = os.environ["FMNIST_POOL"]
    await asyncio.start_unix_server(pool.give, address)
    try:
        while os.getppid() == server:
            await asyncio.sleep(1)
            pool.end_idle()
    finally:
        os.unlink(address)
        await pool.end()


if __name__ == "__main__":
    asyncio.run(main())
