"""What is said about cells between Jupyter and evcxr, put right.

evcxr answers "ok" for a cell that panicked or that left through `?`. So each cell gets a marker
variable in front of its code: evcxr stores a cell's new variables only when the cell reached its
end, and `:vars` then tells. Such a cell becomes an error, like one that did not compile, and ends
"Run all". Lines that begin with DISPLAY are pictures and progress of a cell that is still running.
"""

import json
import re
import time
from collections import deque

import errors

MARKER = "cell_reached_its_end"
DISPLAY = "FMNIST_DISPLAY "
LATE = 0.05  # seconds; evcxr forwards a cell's streams without waiting for them
SOON = 0.005  # the same, after a cell that went well
TICK = 0.1  # how often to look after the kernel's process


class Cell:
    """A cell that runs, from its request to its reply."""

    def __init__(self, idents, request, number, loaded):
        self.idents, self.request, self.number, self.loaded = idents, request, number, loaded
        self.header, self.code = request["header"], request["content"]["code"]
        self.head = commands(self.code)
        self.stopped = None  # by Stop, and in what state; see interrupt.py
        self.reply = self.idle = None  # messages held back until all is known
        self.errors, self.stderr = [], ""
        self.check, self.ended, self.until = None, False, None

    @property
    def checked(self):
        return self.head is not None


class Cells:
    """The cells of one kernel, one at a time."""

    def __init__(self, relay):
        self.relay, self.waiting, self.running = relay, deque(), None
        self.number, self.shown = 0, set()
        self.last = {}  # by the id of a check: the header of the cell that was checked
        self.info = None  # what the kernel says of itself

    # From Jupyter.

    def requested(self, idents, message):
        if message["header"]["msg_type"] == "kernel_info_request" and self.running and self.info:
            # A page that is loaded anew asks this first, and has no Stop button until it is answered.
            self.answer(idents, message, "kernel_info_reply", self.info)
            self.publish("status", {"execution_state": "busy"}, self.running.header)
            return
        self.waiting.append((idents, message))
        self.next()

    def publish(self, kind, content, parent):
        self.relay.publish(self.relay.session.msg(kind, content, parent))

    def answer(self, idents, message, kind, content):
        """Replies in the kernel's place."""
        header = message["header"]
        self.publish("status", {"execution_state": "busy"}, header)
        self.relay.reply(self.relay.session.msg(kind, content, header), idents)
        self.publish("status", {"execution_state": "idle"}, header)

    def next(self):
        while self.waiting and not self.running:
            idents, message = self.waiting.popleft()
            if message["header"]["msg_type"] != "execute_request":
                if message["header"]["msg_type"] == "inspect_request":
                    message["content"] = behind_word(**message["content"])
                self.relay.to_kernel(message, idents)
                continue
            self.number += 1
            cell = self.running = Cell(idents, message, self.number, self.relay.interrupt.loaded())
            code = marked(cell.code, cell.head) if cell.checked else cell.code
            self.relay.to_kernel({**message, "content": {**message["content"], "code": code}}, idents)

    # From evcxr.

    def replied(self, idents, message):
        cell, parent = self.running, message["parent_header"].get("msg_id")
        if cell and parent == cell.header["msg_id"]:
            cell.reply = message
            if cell.checked and message["content"]["status"] == "ok":
                cell.check = self.relay.back_session.msg("execute_request", {"code": ":vars", "silent": False})
                self.last = {cell.check["header"]["msg_id"]: cell.header}
                self.relay.to_kernel(cell.check)
            elif cell.idle:
                self.wait(SOON)
        elif parent not in self.last:
            if message["header"]["msg_type"] == "kernel_info_reply":
                self.info = message["content"]
            self.relay.reply(message, idents)

    def published(self, message):
        cell, kind = self.running, message["header"]["msg_type"]
        parent, content = message["parent_header"].get("msg_id"), message["content"]
        if parent in self.last:
            if kind == "stream":
                message["parent_header"] = self.last[parent]
                self.stream(message)
            elif kind == "execute_result" and cell:
                cell.ended = f"{MARKER}:" in content["data"].get("text/plain", "")
            elif kind == "status" and content["execution_state"] == "idle" and cell:
                self.wait(SOON if cell.ended else LATE)
            return
        if not cell or parent != cell.header["msg_id"]:
            self.relay.publish(message)
        elif kind == "stream":
            self.stream(message)
        elif kind == "error":
            cell.errors.append(content)
        elif kind == "status" and content["execution_state"] == "idle":
            cell.idle = message
            if cell.reply and not cell.check:
                self.wait(SOON)
        else:
            if kind == "execute_input":
                content["code"] = cell.code
            if "execution_count" in content:
                content["execution_count"] = cell.number
            if kind == "execute_result":
                content["data"] = {mime: unmarked(data) for mime, data in content["data"].items()}
            self.relay.publish(message)

    def stream(self, message):
        cell, name, text = self.running, message["content"]["name"], message["content"]["text"]
        if cell and cell.until:
            self.wait(LATE if name == "stderr" else SOON)
        if name == "stdout" and text.startswith(DISPLAY):
            self.display(message)
        elif name == "stderr" and cell:
            # The last words may be those of an error, which is shown as one.
            cell.stderr += text
        else:
            self.relay.publish(message)

    def display(self, message):
        """Shows an output for the first time or in the place of the one it replaces."""
        try:
            output = json.loads(message["content"]["text"].removeprefix(DISPLAY))
            content = {"data": output["data"], "metadata": {}, "transient": {"display_id": output["id"]}}
        except (ValueError, KeyError, TypeError):  # something else that was printed
            self.relay.publish(message)
            return
        kind = "update_display_data" if output["id"] in self.shown else "display_data"
        self.shown.add(output["id"])
        self.publish(kind, content, message["parent_header"])

    # As time passes.

    def wait(self, seconds):
        self.running.until = time.monotonic() + seconds

    def patience(self):
        """For how many milliseconds there is nothing to do, unless a message comes."""
        cell = self.running
        if cell and cell.until:
            return max(0, cell.until - time.monotonic()) * 1000
        return TICK * 1000

    def quiet(self):
        """No message has come for as long as there was patience for."""
        cell = self.running
        if not cell:
            return
        if cell.until:
            if time.monotonic() >= cell.until:
                self.conclude(cell)
        elif cell.stderr and not errors.is_panic(cell.stderr):
            self.print_stderr(cell)

    def print_stderr(self, cell):
        self.publish("stream", {"name": "stderr", "text": errors.short(cell.stderr)}, cell.header)
        cell.stderr = ""

    def conclude(self, cell):
        error = errors.of(cell)
        if cell.stderr:
            self.print_stderr(cell)
        if error:
            self.publish("error", error, cell.header)
            content = {"status": "error", **error}
        else:
            content = {"status": "ok", "user_expressions": {}, "payload": []}
        cell.reply["content"] = {**content, "execution_count": cell.number}
        self.relay.reply(cell.reply, cell.idents)
        self.relay.publish(cell.idle)
        self.running = None
        if error and cell.request["content"].get("stop_on_error", True):
            self.abort()
        self.next()

    def abort(self):
        """Those that wait behind a cell that failed are not run."""
        waiting, self.waiting = self.waiting, deque()
        for idents, message in waiting:
            if message["header"]["msg_type"] != "execute_request":
                self.waiting.append((idents, message))
                continue
            self.answer(idents, message, "execute_reply", {"status": "aborted"})


def commands(code):
    """How many lines of a cell are its leading commands (`:dep`); None where nothing else is there."""
    head = 0
    for number, line in enumerate(code.splitlines(), 1):
        if line.lstrip(" ").startswith((":", "!")):
            head = number
        elif line.strip() and not line.startswith("//"):
            return head
    return None


def marked(code, head):
    """The cell with the marker behind its leading commands, on a line of its own."""
    lines = code.splitlines()
    return "\n".join([*lines[:head], f"let {MARKER}: bool = true;", *lines[head:]])


def behind_word(code, cursor_pos, **more):
    """evcxr knows what a name means only when the cursor is behind it."""
    return {"code": code, "cursor_pos": cursor_pos + re.match(r"\w*", code[cursor_pos:]).end(), **more}


def unmarked(text):
    """What `:vars` lists, without the marker."""
    if not isinstance(text, str) or MARKER not in text:
        return text
    return re.sub(rf"<tr><td>{MARKER}</td><td>bool</td><tr>|^{MARKER}: bool\n", "", text, flags=re.MULTILINE)
