"""What cells say on stderr, and what of it is the error of the cell."""

import json
import unittest
from types import SimpleNamespace
from unittest import mock

import output


class TestOutput(unittest.TestCase):
    def setUp(self):
        self.now, self.shown = 100.0, ""
        clock = mock.patch.object(output.time, "monotonic", lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)
        self.cells = SimpleNamespace(running=SimpleNamespace(loads=False), publish=self.publish)
        self.output = output.Output(self.cells)
        self.output.begin(SimpleNamespace(header={"msg_id": "1"}, number=1, silent=False))

    def publish(self, kind, content, header):
        self.shown += content["text"] if kind == "stream" else f"{kind} {content['data']}\n"

    def after(self, seconds):
        """Looks at the time as often as the relay does."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.01
            self.output.tick()

    def test_a_busy_machine_does_not_part_an_error_from_its_cell(self):
        self.output.text("stderr", b"shape mismatch")
        self.after(0.15)
        self.output.text("stderr", b" in matmul\n")
        self.after(0.1)
        self.assertEqual(self.output.take_stderr(), "shape mismatch in matmul\n")
        self.assertEqual(self.shown, "")

    def test_what_is_said_without_a_pause_is_seen_while_the_cell_runs(self):
        for step in range(40):
            self.output.text("stderr", f"step {step}\n".encode())
            self.after(0.05)
            if step == 9:
                self.assertTrue(self.shown.startswith("step 0\n"), self.shown)
        self.assertIn("step 30\n", self.shown)
        rest = self.output.take_stderr()
        self.assertEqual(self.shown + rest, "".join(f"step {step}\n" for step in range(40)))

    def test_a_panic_waits_until_it_is_written_whole(self):
        self.output.text("stderr", b"before\n")
        self.after(0.4)
        self.output.text("stderr", b"\nthread 'main' panicked at src/lib.rs:1:2:\nthe cause\n")
        self.after(0.45)
        self.output.text("stderr", b"stack backtrace:\n   0: somewhere\n")
        self.after(0.3)
        self.assertEqual(self.shown, "before\n")
        self.assertIn("the cause", self.output.take_stderr())

    def test_between_two_cells_nothing_waits(self):
        self.cells.running = None
        self.output.text("stderr", b"a job in the background\n")
        self.after(0.15)
        self.assertEqual(self.shown, "a job in the background\n")

    def test_nothing_is_no_value(self):
        for data in ("a picture", ""):
            self.output.content(json.dumps({"mime": "text/plain", "data": data, "left_out": 0}).encode())
        self.output.end(shows_value=True)
        self.assertEqual(self.shown, "display_data {'text/plain': 'a picture'}\n")


if __name__ == "__main__":
    unittest.main()
