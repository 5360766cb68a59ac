"""Takes evcxr's words out of what a process prints.

evcxr and the code that it puts around a cell talk over the cell's own stdout: a line `EVCXR_EXECUTION_COMPLETE`,
and a value as the lines between `EVCXR_BEGIN_CONTENT` and `EVCXR_END_CONTENT`. Text without a line end may stand
right before such a line, and bytes that are no text anywhere. PROTOCOL.md lists the words.
"""

import re

WORD = re.compile(rb"EVCXR_(?:(?P<end>EXECUTION_COMPLETE)|(?P<panic>PANIC_NOTIFICATION)|(?P<error>ERROR_OCCURRED)"
                  rb"|(?P<changed>VARIABLE_CHANGED_TYPE:[^\n]*)|(?P<input>INPUT_REQUEST(?:_PASSWORD)?:[^\n]*)"
                  rb"|BEGIN_CONTENT (?P<content>[^ \n]+))\n")
CONTENT_END = re.compile(rb"(?:\A|\n)EVCXR_END_CONTENT\n|EVCXR_(?:PANIC_NOTIFICATION|EXECUTION_COMPLETE)\n")
HEAD = b"EVCXR_"
LONGEST = 1000  # bytes of a word's line
TAIL = 40  # bytes that hold what ends a content
SHOWN = {"text/plain": 500_000}  # bytes of a content that are shown; a page with more becomes slow
MOST = 50_000_000  # the same, of any other kind


class Words:
    """The state of reading: text, or the inside of a content."""

    def __init__(self):
        self.held = b""  # may become a word
        self.mime, self.content, self.left_out = None, bytearray(), 0

    def read(self, more):
        """The events in what has been printed: pairs of a kind and its bytes or, for "content", a dictionary."""
        events, self.held = [], self.held + more
        while self.in_content(events) if self.mime else self.in_text(events):
            pass
        return events

    def rest(self):
        """The text that has waited for the rest of a word long enough."""
        if self.mime:
            return b""
        text, self.held = self.held, b""
        return text

    def in_text(self, events):
        word = WORD.search(self.held)
        if not word:
            keep = len(self.held) - possible_head(self.held)
            if keep:
                events.append(("text", self.held[:keep]))
            self.held = self.held[keep:]
            return False
        if word.start():
            events.append(("text", self.held[: word.start()]))
        self.held = self.held[word.end():]
        if word["content"]:
            self.mime = word["content"].decode(errors="replace")
        else:
            events.append((word.lastgroup, word[0]))
        return True

    def in_content(self, events):
        end = CONTENT_END.search(self.held)
        if not end:
            keep = max(0, len(self.held) - TAIL)
            self.add(self.held[:keep])
            self.held = self.held[keep:]
            return False
        self.add(self.held[: end.start()])
        whole = end[0].endswith(b"END_CONTENT\n")
        self.held = self.held[end.end() if whole else end.start():]
        if whole:
            text = self.content.decode(errors="replace")
            events.append(("content", {"mime": self.mime, "data": text, "left_out": self.left_out}))
        self.mime, self.content, self.left_out = None, bytearray(), 0
        return True

    def add(self, more):
        part = more[: SHOWN.get(self.mime, MOST) - len(self.content)]
        self.content += part
        self.left_out += len(more) - len(part)


def possible_head(text):
    """How many bytes at the end of a text may be the beginning of a word."""
    start = text.rfind(HEAD, max(0, len(text) - LONGEST))
    if start >= 0 and b"\n" not in text[start:]:
        return len(text) - start
    return next((size for size in range(len(HEAD) - 1, 0, -1) if text.endswith(HEAD[:size])), 0)
