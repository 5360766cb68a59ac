"""The crates that notebooks have added with `:dep`, compiled: what one kernel has compiled, the next one finds.

Cargo gives each of them a name of its own, by version, features, compiler and settings, so that they can lie beside
each other in one folder. In the package of the cells.
"""

import os
import re
import shutil
from pathlib import Path

from places import alone, live_folder

STORE = live_folder() / "added"
PARTS = (".fingerprint", "build", "deps")
CELLS = re.compile(r"(lib)?(ctx|code_)")  # what is a cell's own, or a notebook's
FINAL = {".rlib", ".rmeta", ".so"}  # never written again: one file for all, where the rest is copied
DEPENDENCIES = re.compile(r"^\[dependencies\]\s*\n\s*[^\s\[]", re.MULTILINE)


def take(manifest):
    """Puts all of them where Cargo looks, once, if the notebook has any."""
    done = Path("target/added")
    if DEPENDENCIES.search(manifest) and not done.exists():
        with alone(STORE / "lock"):
            copy(STORE, Path("target"))
        done.parent.mkdir(exist_ok=True)
        done.touch()


def keep():
    """Puts those of this kernel beside the others."""
    with alone(STORE / "lock"):
        copy(Path("target"), STORE)


def copy(source, target):
    for folder in [*source.glob("debug"), *source.glob("*/debug")]:
        for part in PARTS:
            new = target / folder.relative_to(source) / part
            new.mkdir(parents=True, exist_ok=True)
            for entry in (folder / part).glob("*"):
                if not CELLS.match(entry.name) and not (new / entry.name).exists():
                    if entry.is_dir():
                        shutil.copytree(entry, new / entry.name, copy_function=link_or_copy)
                    else:
                        link_or_copy(entry, new / entry.name)


def link_or_copy(source, target):
    source = Path(source)
    if source.suffix in FINAL or source.name.startswith("build"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
