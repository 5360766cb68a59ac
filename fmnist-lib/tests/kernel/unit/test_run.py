"""What `start.sh run` does when it is told to end."""

import asyncio
import contextlib
import io
import os
import signal
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import nbformat
import run
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook


class Termination(unittest.TestCase):
    """SIGTERM while the second of three cells runs: a cell that ends when it is interrupted, as one that trains does."""

    def end(self, how):
        interrupted, reached = asyncio.Event(), []

        async def interrupt():
            interrupted.set()

        async def cell_runs(client, cell, index, **_):
            reached.append(index)
            if index == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                await interrupted.wait()
                if how:
                    raise how
            return cell

        async def all_cells(runner):
            runner.km = SimpleNamespace(interrupt_kernel=interrupt)
            for index, cell in enumerate(runner.nb.cells):
                await runner.async_execute_cell(cell, index)

        notebook = new_notebook(cells=[new_code_cell(f"cell({number})") for number in range(3)])
        told = io.StringIO()
        with (tempfile.TemporaryDirectory() as folder, mock.patch.object(NotebookClient, "async_execute_cell", cell_runs),
              mock.patch.object(run.Runner, "execute", lambda runner: asyncio.run(all_cells(runner))),
              contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as end):
            path = Path(folder, "sweep.ipynb")
            nbformat.write(notebook, path)
            run.run(path, SimpleNamespace(set=None, cwd=None, cell_timeout=None, inplace=True, output_dir=None))
        self.assertEqual(reached, [0, 1])
        return end.exception.code, told.getvalue()

    def test_the_cell_is_interrupted_and_the_exit_status_says_so(self):
        # `fit` returns as usual; the process of the cells may as well have got the signal too.
        for how in (None, DeadKernelError("it is gone")):
            status, told = self.end(how)
            self.assertEqual(status, 143)
            self.assertIn("terminated (SIGTERM)", told)
            self.assertIn("cell 2 of 3, `cell(1)`", told)


if __name__ == "__main__":
    unittest.main()
