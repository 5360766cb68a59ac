"""evcxr's words in what a process prints, however the bytes are cut."""

import unittest

from words import LONGEST, SHOWN, Words


def read(*chunks):
    """The events of these chunks, with neighbouring text joined."""
    words, events = Words(), []
    for chunk in chunks:
        events += words.read(chunk)
    events.append(("text", words.rest()))
    joined = []
    for kind, content in events:
        if kind == "text" and joined and joined[-1][0] == "text":
            content = joined.pop()[1] + content
        if content:
            joined.append((kind, content))
    return joined


class TestWords(unittest.TestCase):
    CELL = (b"three\r\xff\x00 EVCXR_ one EVCXR_BEGIN_CONTENT image/png\nQQ==\nEVCXR_END_CONTENT\n"
            b"EVCXR_BEGIN_CONTENT text/plain\n\nEVCXR_END_CONTENT\nEVCXR_INPUT_REQUEST:name?\n"
            b"EVCXR_VARIABLE_CHANGED_TYPE:model\nno end of a lineEVCXR_PANIC_NOTIFICATION\nEVCXR_EXECUTION_COMPLETE\nEVC")
    EVENTS = [("text", b"three\r\xff\x00 EVCXR_ one "),
              ("content", {"mime": "image/png", "data": "QQ==", "left_out": 0}),
              ("content", {"mime": "text/plain", "data": "", "left_out": 0}),
              ("input", b"EVCXR_INPUT_REQUEST:name?\n"), ("changed", b"EVCXR_VARIABLE_CHANGED_TYPE:model\n"),
              ("text", b"no end of a line"), ("panic", b"EVCXR_PANIC_NOTIFICATION\n"),
              ("end", b"EVCXR_EXECUTION_COMPLETE\n"), ("text", b"EVC")]

    def test_cut_anywhere(self):
        for size in [1, 2, 3, 7, 50, len(self.CELL)]:
            chunks = [self.CELL[i:i + size] for i in range(0, len(self.CELL), size)]
            self.assertEqual(read(*chunks), self.EVENTS, f"in chunks of {size}")
        for at in range(len(self.CELL)):
            self.assertEqual(read(self.CELL[:at], self.CELL[at:]), self.EVENTS, f"cut at {at}")

    def test_a_word_within_a_line_is_text(self):
        line = b"println!(\"EVCXR_EXECUTION_COMPLETE\") is what evcxr says\n"
        self.assertEqual(read(line), [("text", line)])

    def test_a_line_that_only_begins_like_a_word_does_not_wait_for_ever(self):
        line = b"EVCXR_" + b"x" * (2 * LONGEST)
        words = Words()
        self.assertTrue(words.read(line))
        self.assertEqual(read(line), [("text", line)])

    def test_a_long_value_is_cut_and_counted(self):
        size = SHOWN["text/plain"] + 12345
        value = b"EVCXR_BEGIN_CONTENT text/plain\n" + b"7" * size + b"\nEVCXR_END_CONTENT\n"
        [(kind, content)] = read(*[value[i:i + 4096] for i in range(0, len(value), 4096)])
        self.assertEqual((kind, len(content["data"]), content["left_out"]), ("content", SHOWN["text/plain"], 12345))

    def test_a_panic_in_a_value_ends_the_value(self):
        self.assertEqual(read(b"EVCXR_BEGIN_CONTENT text/plain\n[1, 2EVCXR_PANIC_NOTIFICATION\n"),
                         [("panic", b"EVCXR_PANIC_NOTIFICATION\n")])


if __name__ == "__main__":
    unittest.main()
