"""Stops a running cell, losing as little as can be.

evcxr itself answers Stop by killing the process that runs the cells, and every variable with it.
Here that process gets SIGINT, which ends it as well, unless `fit` or `evaluate` has taken the signal:
they return at the next batch. A cell that waits for input gets the end of it instead. A compiler that is still
at work is stopped in the place of the cell.
"""

import signal

import psutil

COMPILING, RUNNING, FORCED = "compiling", "running", "forced"


class Interrupt:
    """The Stop button of the kernel whose process for the cells `streams` knows."""

    def __init__(self, streams):
        self.streams, self.cell, self.wanted = streams, None, False

    def press(self, cell):
        """Stop `cell`, the one that runs, or None; a second time, whatever it takes."""
        if cell is None:
            return
        if self.cell is cell and cell.stopped == RUNNING:
            cell.stopped = FORCED
            send(self.streams.process, signal.SIGKILL)
        self.cell, self.wanted = cell, True
        self.press_on(cell)

    def press_on(self, cell):
        """Does what was wanted as soon as there is something to stop: between its compilation and
        its run a cell is only looked at, by evcxr itself."""
        if not self.wanted:
            return
        if cell is not self.cell or cell.stopped:
            self.wanted = False
            return
        compilers = self.compilers()
        if compilers:
            cell.stopped = COMPILING
            for process in compilers:
                send(process, signal.SIGINT)
        elif cell.began:
            cell.stopped = RUNNING
            if not self.streams.end_input():
                send(self.streams.process, signal.SIGINT)

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
