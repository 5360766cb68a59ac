"""Runs notebooks from top to bottom, each in a fresh Rust kernel, and fails where evcxr would not.

evcxr answers "ok" for a cell that panicked or that left through `?`. So each cell gets a marker
variable in front of its code: evcxr stores a cell's new variables only when the cell reached its
end, and `:vars` then tells.
"""

import argparse
import os
import queue
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

MARKER = "cell_reached_its_end"
STARTUP_TIMEOUT = 300  # seconds; a busy two-core machine needs 20
REPLY_TIMEOUT = 60  # seconds for an answer that needs no compiler
QUIET = 0.1  # seconds without a message after which a cell has printed all
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class CellFailed(Exception):
    """A cell did not do what it should; the text says which one and why."""


class Runner(NotebookClient):
    """A notebook client that stops at the first cell that did not reach its end."""

    def __init__(self, nb, **options):
        # Errors are judged by `failure`, because evcxr sends them without a name and a traceback.
        super().__init__(nb, kernel_name="rust", allow_errors=True, record_timing=False, coalesce_streams=True,
                         startup_timeout=STARTUP_TIMEOUT, **options)
        self.codes = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]

    async def async_execute_cell(self, cell, cell_index, **options):
        if not any(cell is code for code in self.codes):
            return cell
        number = next(n for n, code in enumerate(self.codes, 1) if code is cell)
        head = f"cell {number} of {len(self.codes)}, `{first_line(cell.source)}`"
        source, started = cell.source, time.monotonic()
        cell.source = marked(source)
        try:
            await super().async_execute_cell(cell, cell_index, **options)
            finished = await self.finished(cell)
            reason = failure(cell, finished)
        except CellTimeoutError:
            reason = f"it was still running after {self.timeout} s"
        except DeadKernelError:
            reason = "the kernel died"
        finally:
            cell.source = source
        tidy(cell, number)
        if ("fails" in cell.metadata.get("tags", [])) != bool(reason):
            raise CellFailed(f"{head}: {reason or 'it should have failed'}")
        print(f"  {time.monotonic() - started:6.1f} s  {head}", flush=True)
        return cell

    async def finished(self, cell):
        """Whether the cell reached its end; also collects what it printed last.

        evcxr forwards the streams of a cell without waiting for them, so they may arrive late.
        """
        request = self.kc.execute(":vars")
        finished, idle = False, False
        while True:
            try:
                message = await self.kc.get_iopub_msg(timeout=QUIET if idle else REPLY_TIMEOUT)
            except queue.Empty:
                if not idle:
                    raise DeadKernelError("no answer") from None
                return finished
            content, kind = message["content"], message["msg_type"]
            if kind == "stream":
                add_stream(cell, content["name"], content["text"])
            elif message["parent_header"].get("msg_id") != request:
                continue
            elif kind == "execute_result":
                variables = content["data"].get("text/plain", "").splitlines()
                finished = any(line.startswith(f"{MARKER}:") for line in variables)
            elif kind == "status" and content["execution_state"] == "idle":
                idle = True


def marked(source):
    """The cell with the marker behind its leading commands (`:dep`), on a line of its own so that
    the carets below a compiler's message stay where they belong."""
    lines = source.splitlines()
    head = 0
    for number, line in enumerate(lines, 1):
        if line.lstrip(" ").startswith((":", "!")):
            head = number
        elif line.strip() and not line.startswith("//"):
            break
    return "\n".join([*lines[:head], f"let {MARKER}: bool = true;", *lines[head:]])


def failure(cell, finished):
    """What went wrong in the cell, or None."""
    errors = [out for out in cell.outputs if out.output_type == "error"]
    if errors:
        return "\n".join("\n".join(out.traceback) or out.evalue for out in errors)
    if "panicked at" in stderr(cell):
        return f"it panicked: {stderr(cell)}"
    return None if finished else f"it left through `?` with an error: {stderr(cell)}"


def add_stream(cell, name, text):
    """Adds to what the cell wrote to a stream."""
    for output in cell.outputs:
        if output.get("name") == name:
            output.text += text
            return
    cell.outputs.append(nbformat.v4.new_output("stream", name=name, text=text))


def stderr(cell):
    texts = [out.text for out in cell.outputs if out.get("name") == "stderr"]
    return "".join(texts).strip()


def first_line(source):
    return next(line.strip() for line in source.splitlines() if line.strip())


def tidy(cell, number):
    """Numbers the cell as a reader would count; evcxr starts at 2 and counts the `:vars` too."""
    cell.execution_count = number
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = number


def read_cells(path):
    """A notebook from a Rust file in which `// %%` lines, with optional tags, start the cells."""
    nb = nbformat.v4.new_notebook()
    for chunk in re.split(r"^// %%", path.read_text(), flags=re.MULTILINE)[1:]:
        tags, source = chunk.split("\n", 1)
        cell = nbformat.v4.new_code_cell(source.strip(), metadata={"tags": tags.split()})
        nb.cells.append(cell)
    return nb


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
        nb = read_cells(path) if path.suffix == ".rs" else nbformat.read(path, as_version=4)
        folder = options.cwd or path.parent
        runner = Runner(nb, timeout=options.cell_timeout, resources={"metadata": {"path": str(folder)}})
        runner.execute()
    except CellFailed as failed:
        text = str(failed) if sys.stderr.isatty() else ANSI_COLOUR.sub("", str(failed))
        print(f"\nerror: {path}: {text}", file=sys.stderr)
        return False
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


def main():
    parser = argparse.ArgumentParser(prog="start.sh run", description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--quick", action="store_true", help="few epochs, little data (FMNIST_QUICK=1)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--inplace", action="store_true", help="store the outputs in the notebook")
    where.add_argument("--output-dir", type=Path, help="store a copy with outputs in this folder")
    parser.add_argument("--cell-timeout", type=int, metavar="SECONDS", help="default: none")
    parser.add_argument("--cwd", type=Path, help="the kernel's folder; default: the notebook's")
    options = parser.parse_args()
    if options.quick:
        os.environ["FMNIST_QUICK"] = "1"
    results = [run(path, options) for path in options.notebooks]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
