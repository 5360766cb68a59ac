"""The notebooks in a home that begins empty, as a hub gives one to each user.

Each file is put there once: where a user has changed or deleted it, or had a file of that name before, it stays so.
A newer image brings what is new in it.
"""

import contextlib
import os
import sys
from itertools import count
from pathlib import Path

from places import LIBRARY, NOTEBOOKS, replace, say

GIVEN = ".fmnist-notebooks"  # in the folder of the notebooks: the names of all files that were put there
LAST = "00-start.md"  # the page that JupyterLab opens


def fill(work):
    """Puts notebooks and results into the folder `work`, and the library beside it, where `:dep` looks for it."""
    try:
        take(work)
        given = work / GIVEN
        known = given.read_text(errors="replace").split("\n") if given.is_file() else []
        names = originals()
        for name in names:
            if name not in known:
                put(NOTEBOOKS / name, work / name)
        if new := [name for name in names if name not in known]:
            replace(given, "\n".join([*filter(None, known), *new, ""]))
        with contextlib.suppress(FileExistsError):
            (work.parent / LIBRARY.name).symlink_to(LIBRARY)
    except OSError as error:
        say(f"the notebooks could not be put into {work}: {error}")


def take(work):
    """Makes the folder. Docker and Kubernetes have made it, for root, where it is the image's working directory and
    an empty volume is mounted above it."""
    if os.path.lexists(work) and not work.is_dir():  # a file, or a link to nowhere: with no server, who would mend it?
        aside = next(path for number in count(1) if not os.path.lexists(path := work.with_name(f"{work.name}.{number}")))
        work.rename(aside)
        say(f"{work} was no folder: its name is {aside} now")
    work.mkdir(parents=True, exist_ok=True)
    if not os.access(work, os.W_OK):
        with contextlib.suppress(OSError):  # serve.py says what to do
            work.rmdir()
            work.mkdir()


def originals():
    """The names of what the image brings, below its folder of notebooks; the first page comes last."""
    names = [path.name for path in NOTEBOOKS.glob("*.ipynb")]
    names += [str(path.relative_to(NOTEBOOKS)) for path in (NOTEBOOKS / "results").rglob("*") if path.is_file()]
    return [*sorted(names), LAST]


def put(source, target):
    """A copy, whole or not at all, unless something of that name is there."""
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, source.read_bytes())


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
