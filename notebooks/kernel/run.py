"""Runs notebooks from top to bottom, each in a fresh Rust kernel, and stops where a cell fails."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from errors import COLOUR
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async
from parameters import Refused, split, with_values

TERMINATED = 128 + signal.SIGTERM  # the exit status that shells, Slurm and Kubernetes report of it
STARTUP_TIMEOUT = 300  # seconds; a busy two-core machine needs 20


class CellFailed(Exception):
    """A cell did not do what it should; the text says which one and why."""


class Terminated(Exception):
    """Somebody has asked this program to end; the text says at which cell it was."""


class Runner(NotebookClient):
    """A notebook client that says which cell it is at."""

    def __init__(self, nb, **options):
        super().__init__(nb, kernel_name="rust", record_timing=False, coalesce_streams=True,
                         startup_timeout=STARTUP_TIMEOUT, **options)
        self.codes = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
        self.terminated = False

    def terminate(self):
        """SIGTERM, as of a cluster: the cell is stopped as by the Stop button, and saves what it trains."""
        self.terminated = True
        asyncio.ensure_future(ensure_async(self.km.interrupt_kernel()))

    async def async_execute_cell(self, cell, cell_index, **options):
        if not any(cell is code for code in self.codes):
            return cell
        number = next(n for n, code in enumerate(self.codes, 1) if code is cell)
        head = f"cell {number} of {len(self.codes)}, `{first_line(cell.source)}`"
        # In place of nbclient's own, which ends the kernel at once.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.terminate)
        started = time.monotonic()
        failed = None
        try:
            await super().async_execute_cell(cell, cell_index, **options)
        except CellExecutionError:
            errors = [output for output in cell.outputs if output.output_type == "error"]
            failed = "\n".join(line for error in errors for line in error.traceback)
        except CellTimeoutError:
            failed = f"it was still running after {self.timeout} s"
        except DeadKernelError:
            failed = "the kernel died"
        if self.terminated:
            raise Terminated(head)
        if failed is not None:
            raise CellFailed(f"{head}: {failed}")
        print(f"  {time.monotonic() - started:6.1f} s  {head}", flush=True)
        return cell


def first_line(source):
    return next(line.strip() for line in source.splitlines() if line.strip())


def write(nb, path):
    """Writes the notebook so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as part:
        nbformat.write(nb, part)
    os.chmod(part.name, 0o644)
    os.replace(part.name, path)


def run(path, options):
    """Runs one notebook; returns whether all of its cells reached their end."""
    print(f"{path}:", flush=True)
    started = time.monotonic()
    try:
        nb = nbformat.read(path, as_version=4)
        if options.set:
            nb = with_values(nb, dict(options.set))
        folder = options.cwd or path.parent
        runner = Runner(nb, timeout=options.cell_timeout, resources={"metadata": {"path": str(folder)}})
        runner.execute()
    except Refused as refused:
        print(f"\nerror: {path}: {refused}", file=sys.stderr)
        return False
    except CellFailed as failed:
        text = str(failed) if sys.stderr.isatty() else COLOUR.sub("", str(failed))
        print(f"\nerror: {path}: {text}", file=sys.stderr)
        return False
    except Terminated as ended:
        print(f"\nterminated (SIGTERM): {path}: {ended}. Run the same command again: sweeps go on where they were, and a "
              "training with a checkpoint by `resume`", file=sys.stderr)
        sys.exit(TERMINATED)
    except DeadKernelError as dead:
        print(f"\nerror: {path}: the kernel did not start: {dead}", file=sys.stderr)
        return False
    except (OSError, ValueError, nbformat.ValidationError) as error:
        print(f"\nerror: {path}: this is not a readable notebook: {error}", file=sys.stderr)
        return False
    if options.inplace or options.output_dir:
        write(nb, path if options.inplace else options.output_dir / path.name)
    print(f"  ran {len(runner.codes)} cells in {time.monotonic() - started:.0f} s", flush=True)
    return True


def setting(text):
    try:
        return split(text)
    except Refused as refused:
        raise argparse.ArgumentTypeError(str(refused)) from None


def main():
    parser = argparse.ArgumentParser(prog="start.sh run", description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--quick", action="store_true", help="few epochs, little data (FMNIST_QUICK=1)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--inplace", action="store_true", help="store the outputs in the notebook")
    where.add_argument("--output-dir", type=Path, help="store a copy with outputs in this folder")
    parser.add_argument("--set", action="append", type=setting, metavar="NAME=VALUE",
                        help="give a parameter another value; once for each")
    parser.add_argument("--cell-timeout", type=int, metavar="SECONDS", help="default: none")
    parser.add_argument("--cwd", type=Path, help="the kernel's folder; default: the notebook's")
    options = parser.parse_args()
    if options.quick:
        os.environ["FMNIST_QUICK"] = "1"
    results = [run(path, options) for path in options.notebooks]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
