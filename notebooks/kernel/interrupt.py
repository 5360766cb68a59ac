"""Stops a running cell, losing as little as can be.

evcxr itself answers Stop by killing the process that runs the cells, and every variable with it.
Here that process gets SIGINT, which ends it as well, unless `fit` or `evaluate` has taken the signal:
they return at the next batch. Only after a word that a cell has not ended does another Stop reach it: the same
signal, which the library takes for the end of the process unless another training has begun meanwhile, and in the end
SIGKILL. A cell that waits for input gets the end of it instead. A compiler that is still at work is stopped in the
place of the cell.
"""

import signal
import time

import psutil

COMPILING, RUNNING, INPUT = "compiling", "running", "input"
GRACE = 3  # seconds in which a cell is to end
NOT_ENDED = b"""
The cell has been told to stop and still runs. A training returns after the batch that it is at; in a loop, the next
one then begins. Press Stop again for what runs now. Where that does not listen, the process of the cells ends, and all
variables are lost.
"""


class Interrupt:
    """The Stop button of the kernel whose process for the cells `streams` knows."""

    def __init__(self, streams, say):
        self.streams, self.say = streams, say
        self.wanted = None  # the cell that is to be stopped as soon as there is something to stop
        self.killed = None  # the process that was ended by force

    def press(self, cell):
        """Stop `cell`, the one that runs, or None. Somebody who presses once more out of impatience loses nothing."""
        if cell is None:
            return
        if cell.stopped in (None, INPUT):
            cell.pressed, cell.stopped, self.wanted = 1, None, cell
            self.press_on(cell)
        elif cell.not_ended and not cell.ended:
            cell.pressed, cell.not_ended, cell.stopped_at = cell.pressed + 1, False, time.monotonic()
            self.killed = self.streams.process
            send(self.killed, signal.SIGINT if cell.pressed < 3 else signal.SIGKILL)

    def press_on(self, cell):
        """Does what was wanted as soon as there is something to stop: between its compilation and
        its run a cell is only looked at, by evcxr itself."""
        if cell and cell.stopped == RUNNING and not cell.not_ended and time.monotonic() > cell.stopped_at + GRACE:
            cell.not_ended = True
            self.say(NOT_ENDED)
        if self.wanted is None or cell is not self.wanted:
            self.wanted = None
            return
        cell.stopped = self.stop(cell)
        if cell.stopped:
            self.wanted, cell.stopped_at = None, time.monotonic()

    def stop(self, cell):
        """Stops what can be stopped, and says in what state it was."""
        compilers = self.compilers()
        for process in compilers:
            send(process, signal.SIGINT)
        if compilers:
            return COMPILING
        if not cell.began or cell.ended:
            return None
        if self.streams.end_input():
            return INPUT
        send(self.streams.process, signal.SIGINT)
        return RUNNING

    def compilers(self):
        """What evcxr has started besides the process that runs the cells."""
        try:
            wrapper = self.streams.wrapper
            started = wrapper.parent().children(recursive=True) if wrapper else []
            return [one for one in started if wrapper not in [one, *one.parents()]]
        except psutil.Error:  # one of them has just ended
            return []


def send(process, number):
    try:
        if process:
            process.send_signal(number)
    except psutil.Error:
        pass
