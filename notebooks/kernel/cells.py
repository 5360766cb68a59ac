"""What is said about cells between Jupyter and evcxr, put right.

evcxr answers "ok" for a cell that panicked or that left through `?`. streams.py sees evcxr's words for both,
so such a cell becomes an error, like one that did not compile, and ends "Run all". What cells print and show
comes from streams.py as well; output.py publishes it. source.py says what is put into a cell.
"""

import re
from collections import deque

import errors
import questions
from output import Output
from source import Prepared, Sources, commands

TICK = 0.1  # seconds: how often to look after the kernel's process


class Cell:
    """A cell that runs, from its request to its reply."""

    def __init__(self, idents, request, head):
        self.idents, self.request, self.head = idents, request, head
        self.header, self.code = request["header"], request["content"]["code"]
        self.silent = request["content"].get("silent", False)  # neither counted nor shown, but for what it prints
        self.counts = not self.silent and request["content"].get("store_history", True)
        self.number = 0
        self.prepared = None  # what evcxr gets in its place
        # By Stop: how often it had an effect, what was stopped and when, and whether the cell still runs long after that.
        self.pressed, self.stopped, self.stopped_at, self.not_ended = 0, None, 0, False
        self.loads = False  # whether there may be another set of dependencies since the code that ran before
        self.reply = self.idle = None  # held back until all is known
        self.errors = []
        self.began, self.panicked, self.left, self.ended = False, False, False, False

    def begin(self):
        """Its code runs: for a second time where evcxr has found variables of a type that is no more."""
        self.began, self.panicked, self.left, self.ended = True, False, False, False

    @property
    def is_code(self):
        return self.head is not None


class Hidden:
    """A request of the relay's own, of which the notebook sees nothing."""

    def __init__(self, message, then):
        self.id, self.then = message["header"]["msg_id"], then
        self.text, self.errors, self.reply = "", [], None


class Cells:
    """The cells of one kernel, one at a time."""

    def __init__(self, relay):
        self.relay, self.waiting, self.running, self.hidden = relay, deque(), None, None
        self.number = 0
        self.info = None  # what the kernel says of itself
        self.loaded = False  # whether a cell with nothing but commands has just run
        self.sources, self.output = Sources(), Output(self)

    # From Jupyter.

    def requested(self, idents, message):
        if message["header"]["msg_type"] == "kernel_info_request" and self.running and self.info:
            # A page that is loaded anew asks this first, and has no Stop button until it is answered.
            return self.answer(idents, message, "kernel_info_reply", self.info)
        if unanswered := questions.UNANSWERED.get(message["header"]["msg_type"]):
            return self.answer(idents, message, *unanswered)
        self.waiting.append((idents, message))
        if self.running and message["header"]["msg_type"] == "execute_request":
            if message["header"]["session"] != self.running.header["session"]:
                self.output.watch(message["header"], self.running.code)
        self.next()

    def publish(self, kind, content, parent):
        self.relay.publish(self.relay.session.msg(kind, content, parent))

    def answer(self, idents, message, kind, content):
        """Replies in the kernel's place."""
        header = message["header"]
        self.publish("status", {"execution_state": "busy"}, header)
        self.relay.reply(self.relay.session.msg(kind, content, header), idents)
        self.publish("status", {"execution_state": "idle"}, header)
        if self.running:  # which a page is to show
            self.publish("status", {"execution_state": "busy"}, self.running.header)

    def next(self):
        while self.waiting and not self.running:
            idents, message = self.waiting.popleft()
            if message["header"]["msg_type"] != "execute_request":
                questions.ask(message)
                self.relay.to_kernel(message, idents)
                continue
            self.running = Cell(idents, message, commands(message["content"]["code"]))
            self.number += self.running.counts
            self.running.number = self.number
            self.output.begin(self.running)
            self.start(self.running)

    def start(self, cell):
        if not cell.is_code:
            cell.prepared, cell.loads, self.loaded = Prepared(cell.code), True, True
            return self.send(cell)
        cell.loads, self.loaded = self.loaded or cell.head > 0 or ".await" in cell.code, False
        cell.prepared = self.sources.prepare(cell.code, cell.head)
        changed = self.sources.redefined(cell.prepared)
        if changed:
            self.ask(":vars", lambda hidden: self.drop_variables(cell, changed, hidden))
        else:
            self.send(cell)

    def send(self, cell):
        content = {**cell.request["content"], "code": cell.prepared.code}
        self.relay.to_kernel({**cell.request, "content": content}, cell.idents)

    # A variable of a type that is defined anew would be read as what it is not: evcxr sees that where a
    # type's name or path changes, and not where only its fields do.

    def drop_variables(self, cell, changed, hidden):
        variables = [line.split(":", 1) for line in hidden.text.splitlines() if ":" in line]
        lost = [name for name, kind in variables if any(re.search(rf"\b{one}\b", kind) for one in changed)]
        if not lost:
            return self.send(cell)
        code = "".join(f"drop({name});" for name in lost)
        self.ask(code, lambda hidden: self.dropped(cell, lost, hidden))

    def dropped(self, cell, lost, hidden):
        if hidden.errors:
            return self.refuse(cell, lost)
        for name in lost:
            self.output.text("stderr", f"The type of the variable {name} was redefined, so was lost.\n".encode())
        self.send(cell)

    def refuse(self, cell, lost):
        cell.errors = [errors.error("Error", "a type is defined anew while variables of the old one live",
                                    f"Drop these first, in a cell of its own: {', '.join(lost)}")]
        cell.reply = self.relay.session.msg("execute_reply", {"status": "error"}, cell.header)
        cell.idle = self.relay.session.msg("status", {"execution_state": "idle"}, cell.header)
        self.conclude(cell)

    def ask(self, code, then):
        message = self.relay.back_session.msg("execute_request", {"code": code, "silent": False})
        self.hidden = Hidden(message, then)
        self.relay.to_kernel(message)

    def answered(self, kind, content):
        """A message about the hidden request."""
        hidden = self.hidden
        if kind == "execute_result":
            hidden.text += content["data"].get("text/plain", "")
        elif kind == "error":
            hidden.errors.append(content)
        elif kind == "execute_reply":
            hidden.reply = content
        elif kind == "status" and content["execution_state"] == "idle":
            self.hidden = None
            hidden.then(hidden)

    # From evcxr.

    def replied(self, idents, message):
        cell, parent, content = self.running, message["parent_header"].get("msg_id"), message["content"]
        if self.hidden and parent == self.hidden.id:
            self.answered("execute_reply", content)
        elif cell and parent == cell.header["msg_id"]:
            cell.reply = message
            self.conclude(cell)
        elif idents:
            if message["header"]["msg_type"] == "kernel_info_reply":
                self.info = content
            questions.answered(message)
            self.relay.reply(message, idents)

    def published(self, message):
        cell, kind = self.running, message["header"]["msg_type"]
        parent, content = message["parent_header"].get("msg_id"), message["content"]
        if self.hidden and parent == self.hidden.id:
            self.answered(kind, content)
        elif not cell or parent != cell.header["msg_id"]:
            if kind != "stream":  # the end of a hidden request's
                self.relay.publish(message)
        elif kind == "stream":  # of evcxr itself: it says what went wrong behind the scenes
            self.output.text(content["name"], content["text"].encode())
        elif kind == "error":
            cell.errors.append(content)
        elif kind == "status" and content["execution_state"] == "idle":
            cell.idle = message
            self.conclude(cell)
        elif not (cell.silent and kind == "execute_input"):
            if kind == "execute_input":
                content["code"] = cell.code
            if "execution_count" in content:
                content["execution_count"] = cell.number
            self.relay.publish(message)

    def streamed(self, kind, content):
        """From the process that runs the cells; see PROTOCOL.md for the kinds."""
        cell = self.running
        if kind in (b"o", b"e"):
            self.output.text("stdout" if kind == b"o" else "stderr", content)
        elif kind == b"C":
            self.output.content(content)
        elif kind == b"D":
            self.output.live(content)
        elif kind == b"I":
            self.relay.ask_for_input(cell)
        elif cell and not self.hidden:
            if kind == b"B":
                cell.begin()
            elif kind == b"P":
                cell.panicked = True
            elif kind == b"Q":
                cell.left = True
            elif kind == b"E":
                cell.ended = True

    # As time passes.

    def patience(self):
        """For how many seconds there is nothing to do, unless a message comes."""
        return min(TICK, self.output.patience())

    def conclude(self, cell):
        """Ends a cell of which evcxr has said all. What it has printed has been sent before that."""
        if not (cell.reply and cell.idle):
            return
        self.relay.streams.drain(self.streamed)
        error = errors.of(cell, self.output, self.relay.interrupt.killed is not None)
        if error and errors.LOST in error["traceback"]:
            self.relay.streams.connect()  # to the next process, which evcxr has started by now
            self.relay.interrupt.killed = None
        self.output.end(cell.prepared.shows_value and not error)
        if error:
            self.publish("error", error, cell.header)
            content = {"status": "error", **error}
        else:
            self.sources.commit(cell.prepared)
            content = {"status": "ok", "user_expressions": {}, "payload": []}
        cell.reply["content"] = {**content, "execution_count": cell.number}
        self.relay.reply(cell.reply, cell.idents)
        self.relay.publish(cell.idle)
        self.running, self.relay.asked = None, False
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
            if message["header"] in self.output.watchers:
                self.output.leave(message["header"])
            self.answer(idents, message, "execute_reply", {"status": "aborted"})
