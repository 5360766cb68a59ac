"""What cells print and show, as Jupyter's messages.

Text is joined to a few messages a second: a server drops what comes in more than a thousand. The last words on
stderr wait a little longer, because they may be those of an error, which is shown as one.
"""

import codecs
import json
import time

import errors

PAUSE = 0.1  # seconds between two messages with text
WORDS = 0.3  # seconds for which what was said on stderr may become the error of its cell
PANIC = 0.5  # the same of a panic, whose functions are looked up while it is being written
MOST = 20_000_000  # characters that a cell may print; a page with more becomes useless


class Output:
    """The output of the cell that runs or, between two cells, of what the last one has left running."""

    def __init__(self, cells):
        self.cells, self.header, self.number, self.silent = cells, None, 0, False
        self.streams = {"stdout": Text(), "stderr": Text()}
        self.shown = set()  # the live outputs that the notebook has
        self.moving = {}  # those of the cell that runs, as they look now
        self.watchers = []  # cells of another page, which wait for this one
        self.bundle = {}  # the last value or picture, until the next one begins

    def begin(self, cell):
        self.flush()
        self.header, self.number, self.silent = cell.header, cell.number, cell.silent
        if cell.header in self.watchers:
            self.leave(cell.header)
        self.moving.clear()
        for text in self.streams.values():
            text.begin()

    def publish(self, kind, content):
        if self.header:
            self.cells.publish(kind, content, self.header)

    # Text.

    def text(self, name, more):
        if name == "stdout":
            self.publish_bundle()
        self.streams[name].add(more)
        if name == "stdout":
            self.tick()

    def patience(self):
        """For how many seconds nothing is due."""
        now = time.monotonic()
        return min((max(0, text.due - now) for text in self.streams.values() if text.held), default=PAUSE)

    def tick(self):
        now = time.monotonic()
        for name, text in self.streams.items():
            if text.held and now >= text.due:
                self.publish_text(name, self.before_error(text, now) if name == "stderr" else text.take())

    def before_error(self, text, now):
        """What may be shown of stderr while a cell may still end with it."""
        if not self.cells.running:
            return text.take()
        size = text.older_than(now - WORDS)
        start = errors.start_of_panic(text.held) if now < text.changed + PANIC else None
        return text.take(size if start is None else min(size, start))

    def publish_text(self, name, text):
        if name == "stderr":
            text = errors.short(text)
            if self.cells.running and self.cells.running.loads:
                text = errors.with_reason(text)
        if text:
            self.publish("stream", {"name": name, "text": text})

    def flush(self):
        for name, text in self.streams.items():
            self.publish_text(name, text.take(last=True))

    def take_stderr(self):
        """What has been said on stderr and not been shown yet."""
        return self.streams["stderr"].take(last=True)

    # Values and pictures.

    def content(self, encoded):
        """One kind of a value; evcxr's protocol does not say which kinds are those of the same value."""
        part = json.loads(encoded)
        mime, data = part["mime"], part["data"]
        if part["left_out"]:
            mime, data = cut(mime, data, part["left_out"])
        self.flush_stdout()
        if mime in self.bundle:
            self.publish_bundle()
        self.bundle[mime] = parsed(data) if "json" in mime else data

    def flush_stdout(self):
        self.publish_text("stdout", self.streams["stdout"].take())

    def publish_bundle(self, result=False):
        content, self.bundle = {"data": self.bundle, "metadata": {}}, {}
        if not any(content["data"].values()):
            return  # `()` shows itself as nothing
        if not result:
            self.publish("display_data", content)
        elif not self.silent:
            self.publish("execute_result", {**content, "execution_count": self.number})

    def live(self, encoded):
        """Shows an output for the first time or in the place of the one it replaces."""
        self.publish_bundle()
        self.flush_stdout()
        output = json.loads(encoded)
        new = output["id"] not in self.shown
        self.shown.add(output["id"])
        self.moving[output["id"]] = content = {"data": output["data"], "metadata": {}, "transient": {"display_id": output["id"]}}
        self.publish("display_data" if new else "update_display_data", content)
        for watcher in self.watchers if new else []:
            self.cells.publish("display_data", content, watcher)

    # A page that was loaded anew has no place for what a running cell shows. A cell that waits there is one.

    def watch(self, header, code):
        """Shows what the running cell, with this code, shows in the place of one that waits for it."""
        self.watchers.append(header)
        line = next((line.strip() for line in code.split("\n") if line.strip()), "")
        self.cells.publish("stream", {"name": "stdout", "text": f"Waits for the cell that runs: {line}\n"}, header)
        for content in self.moving.values():
            self.cells.publish("display_data", content, header)

    def leave(self, header):
        """The waiting is over, and what was shown meanwhile disappears."""
        self.watchers.remove(header)
        self.cells.publish("clear_output", {"wait": False}, header)

    def end(self, shows_value):
        """The cell has ended; its last value is its result where it ends with an expression."""
        self.flush()
        self.publish_bundle(result=shows_value)


class Text:
    """One stream: what of it has not been published yet, and when it is to be."""

    def __init__(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.held, self.due, self.changed = "", 0, 0
        self.came = []  # when what is held came, and how long it was with that
        self.begin()

    def begin(self):
        self.length, self.left_out = 0, 0

    def add(self, more):
        text = self.decoder.decode(more)
        room = MOST - self.length
        self.length += min(room, len(text))
        self.left_out += max(0, len(text) - room)
        if not self.held:
            self.due = max(self.due, time.monotonic() + PAUSE / 10)
        self.held += text[:room] if room < len(text) else text
        self.changed = time.monotonic()
        self.came.append((self.changed, len(self.held)))

    def older_than(self, moment):
        """How much of what is held came before that."""
        return max((length for came, length in self.came if came <= moment), default=0)

    def take(self, size=None, last=False):
        size = len(self.held) if size is None else size
        text, self.held = self.held[:size], self.held[size:]
        self.came = [(came, length - size) for came, length in self.came if length > size]
        self.due = time.monotonic() + PAUSE
        if last:
            text += self.decoder.decode(b"", True)
            self.decoder.reset()
            if self.left_out:
                text += f"\n({self.left_out:,} more characters are not shown)\n"
                self.left_out = 0
        return text


def parsed(data):
    try:
        return json.loads(data)
    except ValueError:
        return data


def cut(mime, data, left_out):
    note = f"({left_out:,} more bytes are not shown)"
    if mime == "text/plain":
        return mime, f"{data} ...\n{note}"
    return "text/plain", f"This output of type {mime} is too large to be shown {note}"
