"""A real kernel, as Jupyter starts it, and what its cells give."""

import os
import re
import time
from contextlib import contextmanager
from queue import Empty

from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.session import Session

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PATIENCE = 600  # seconds until a test gives up


class Result:
    """What a cell gave."""

    def __init__(self):
        self.stdout, self.stderr, self.error, self.value = "", "", "", None
        self.pictures, self.live = [], []  # displayed; displayed and replaced while the cell ran, with their ids
        self.messages = []  # (seconds since the cell began to run, type, content)
        self.status = None

    def add(self, message, seconds):
        kind, content = message["msg_type"], message["content"]
        self.messages.append((seconds, kind, content))
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind == "error":
            self.error += COLOUR.sub("", "\n".join(content["traceback"]))
        elif kind == "execute_result":
            self.value = content["data"]
        elif kind in ("display_data", "update_display_data"):
            id = content.get("transient", {}).get("display_id")
            (self.live.append((id, content["data"])) if id else self.pictures.append(content["data"]))

    def expect(self):
        """Itself, unless the cell failed."""
        assert self.status == "ok" and not self.error, self.error + self.stderr
        return self

    def everything(self):
        """All that the notebook shows of it."""
        return COLOUR.sub("", str([content for _, kind, content in self.messages if kind != "execute_input"]))


class Kernel:
    def __init__(self, folder, **environment):
        self.manager = KernelManager(kernel_name="rust")
        self.manager.start_kernel(cwd=str(folder), env={**os.environ, **environment})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        self.late = []  # what belongs to no cell that is waited for

    def send(self, code, **options):
        return self.client.execute(code, **options)

    def run(self, code, patience=PATIENCE, **options):
        return self.wait(self.send(code, **options), patience=patience)

    def wait(self, request, until=None, act=None, patience=PATIENCE):
        """What a cell gave when it has ended, or when `until`, called with what there is, is true."""
        result, idle, deadline = Result(), False, time.monotonic() + patience
        started = time.monotonic()
        while not (idle and result.status or until and until(result)):
            assert time.monotonic() < deadline, f"no end after {patience} s: {result.messages[-5:]}"
            try:
                message = self.client.get_iopub_msg(timeout=0.1)
            except Empty:
                message = None
            if message and message["parent_header"].get("msg_id") == request:
                if message["msg_type"] == "execute_input":
                    started = time.monotonic()
                result.add(message, time.monotonic() - started)
                idle = idle or message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            elif message:
                self.late.append(message)
            if act:
                act(self)
            while not result.status and self.client.shell_channel.msg_ready():
                reply = self.client.get_shell_msg(timeout=1)
                if reply["parent_header"].get("msg_id") == request:
                    result.status = reply["content"]["status"]
        return result

    def interrupt(self):
        """Stop; returns when the kernel has taken it, so that it cannot hit a cell that is sent later."""
        request = self.client.session.msg("interrupt_request")
        self.client.control_channel.send(request)
        while self.client.get_control_msg(timeout=PATIENCE)["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            pass

    @contextmanager
    def another_page(self):
        """The same kernel as a page sees it that was loaded anew: what it has not sent, it does not know."""
        here, self.client = self.client, BlockingKernelClient()
        self.client.load_connection_info(self.manager.get_connection_info())
        self.client.session = Session(key=self.manager.session.key)
        self.client.start_channels()
        try:
            self.client.wait_for_ready(timeout=PATIENCE)
            yield self
        finally:
            self.client.stop_channels()
            self.client = here

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
