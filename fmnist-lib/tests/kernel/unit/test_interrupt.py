"""Stop, pressed at any time and any number of times."""

import signal
import sys
import time
import unittest
from unittest import mock

import interrupt
import psutil
from cells import Cell

# The answer by `os.write`: Python's own output refuses a handler's words while it is still writing "ready".
LISTENS = "import os, signal, time; signal.signal(signal.SIGINT, lambda *_: os.write(1, b'stop\\n')); print('ready', flush=True)\nwhile True: time.sleep(1)"


class Streams:
    """A process that takes SIGINT as a request, as one does that trains."""

    def __init__(self):
        self.process = psutil.Popen([sys.executable, "-c", LISTENS], stdout=-1, text=True)
        self.wrapper, self.waits = None, False
        assert self.process.stdout.readline() == "ready\n"

    def end_input(self):
        waited, self.waits = self.waits, False
        return waited


class TestInterrupt(unittest.TestCase):
    def setUp(self):
        self.streams, self.said = Streams(), []
        self.addCleanup(self.streams.process.stdout.close)
        self.addCleanup(self.streams.process.wait)
        self.addCleanup(interrupt.send, self.streams.process, signal.SIGKILL)
        self.interrupt = interrupt.Interrupt(self.streams, self.said.append)
        self.cell = Cell([], {"header": {}, "content": {"code": ""}}, 0)
        self.cell.begin()

    def stops(self):
        self.assertEqual(self.streams.process.stdout.readline(), "stop\n")

    def test_impatience_loses_nothing(self):
        for _ in range(20):
            self.interrupt.press(self.cell)
            self.interrupt.press_on(self.cell)
        self.stops()
        time.sleep(0.2)
        self.assertTrue(self.streams.process.is_running() and self.streams.process.status() != psutil.STATUS_ZOMBIE)
        self.assertEqual(self.said, [])

    def test_a_cell_that_does_not_end_is_ended_after_a_word(self):
        with mock.patch.object(interrupt, "GRACE", 0):
            self.interrupt.press(self.cell)
            self.stops()
            for _ in range(3):
                self.interrupt.press_on(self.cell)
            self.assertEqual(self.said, [interrupt.NOT_ENDED])
            self.interrupt.press(self.cell)
            self.stops()  # a training that has begun meanwhile would end by this
            time.sleep(0.01)
            self.interrupt.press_on(self.cell)
            self.interrupt.press(self.cell)
        self.assertEqual(self.streams.process.wait(10), -signal.SIGKILL)
        self.assertIs(self.interrupt.killed, self.streams.process)

    def test_a_cell_that_has_ended_meanwhile_costs_no_process(self):
        with mock.patch.object(interrupt, "GRACE", 0):
            self.interrupt.press(self.cell)
            self.stops()
            self.interrupt.press_on(self.cell)
            self.cell.ended = True
            self.interrupt.press(self.cell)
        self.assertIsNone(self.interrupt.killed)
        self.interrupt.press_on(None)  # the cell has been answered

    def test_a_cell_that_has_not_begun_is_stopped_when_it_does(self):
        self.cell.began = False
        self.interrupt.press(self.cell)
        self.interrupt.press_on(self.cell)
        self.assertIsNone(self.cell.stopped)
        self.cell.begin()
        self.interrupt.press_on(self.cell)
        self.stops()

    def test_a_compilation_is_stopped_once(self):
        with mock.patch.object(self.interrupt, "compilers", side_effect=[[self.streams.process], []]):
            self.interrupt.press(self.cell)
            self.stops()
            self.interrupt.press(self.cell)
        self.assertEqual(self.cell.stopped, interrupt.COMPILING)

    def test_after_the_end_of_the_input_the_next_stop_is_a_signal(self):
        self.streams.waits = True
        self.interrupt.press(self.cell)
        self.assertEqual(self.cell.stopped, interrupt.INPUT)
        self.interrupt.press(self.cell)
        self.stops()


if __name__ == "__main__":
    unittest.main()
