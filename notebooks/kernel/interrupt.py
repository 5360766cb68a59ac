"""Stops a running cell, losing as little as can be.

evcxr itself answers Stop by killing the process that runs the cells, and every variable with it.
Here that process gets SIGINT, which ends it as well, unless `fit` or `evaluate` has taken the signal:
they return at the next batch. A compiler that is still at work is stopped in the place of the cell.
"""

import signal
from pathlib import Path

import psutil

COMPILING, RUNNING, FORCED = "compiling", "running", "forced"


class Interrupt:
    """The Stop button of the evcxr that is somewhere below `process`."""

    def __init__(self, process):
        self.process, self.found = process, None
        self.cell, self.wanted = None, False

    def press(self, cell):
        """Stop `cell`, the one that runs, or None; a second time, whatever it takes."""
        if cell is None:
            return
        if self.cell is cell and cell.stopped == RUNNING:
            cell.stopped = FORCED
            self.send(self.runtime(), signal.SIGKILL)
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
                self.send(process, signal.SIGINT)
        elif self.loaded() > cell.loaded:
            cell.stopped = RUNNING
            self.send(self.runtime(), signal.SIGINT)

    def runtime(self):
        """The process that runs the cells; evcxr starts another one where it has ended."""
        try:
            if self.found and self.found.status() != psutil.STATUS_ZOMBIE:
                return self.found
        except psutil.Error:
            pass
        self.found = None
        try:
            for one in self.process.children(recursive=True):
                if one.name() == "evcxr_jupyter" and "EVCXR_IS_RUNTIME" in one.environ():
                    self.found = one
        except psutil.Error:
            pass
        return self.found

    def compilers(self):
        """What evcxr has started besides the process that runs the cells."""
        runtime = self.runtime()
        try:
            started = runtime.parent().children(recursive=True) if runtime else []
            return [one for one in started if runtime not in [one, *one.parents()]]
        except psutil.Error:  # one of them has just ended
            return []

    def loaded(self):
        """How many cells' code the runtime has loaded: one more as soon as the cell runs."""
        try:
            return Path(f"/proc/{self.runtime().pid}/maps").read_text().count("/libcode_")
        except (AttributeError, OSError):
            return 0

    @staticmethod
    def send(process, number):
        try:
            if process:
                process.send_signal(number)
        except psutil.Error:
            pass
