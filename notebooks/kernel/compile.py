"""rustc for the package of the cells: compile.py rustc ARGUMENT...

It is compiled with the library that lies ready (library.py), and its command is kept for kernel/cargo.

Cargo gives the package another name for the compiler as soon as it has other dependencies. The types of earlier
cells would be others then, and variables of them lost. Here the name stays while every crate that was there before
is the same one still; where one is not, a type that holds something of it is in truth another.
"""

import json
import os
import shlex
import sys
from pathlib import Path


def main():
    command = sys.argv[1:]
    recipe = Path(os.environ["FMNIST_RECIPE"])
    library = os.environ["FMNIST_LIBRARY"]
    if library:
        command += ["--extern", f"fmnist_lib={library}/libfmnist_lib.so", "-L", f"dependency={library}"]
    if "ctx" in command and any(one.startswith("--emit=") and "link" in one for one in command):
        name = f"metadata=cells-{generation(command, recipe.parent / 'crates')}"
        command = [name if one.startswith("metadata=") else one for one in command]
        keep(command, recipe)
    os.execvp(command[0], command)


def generation(command, file):
    """How often a crate has become another one. Cargo names each by its version, its features and what is behind it."""
    crates = dict(after.split("=", 1) for before, after in zip(command, command[1:]) if before == "--extern" and "=" in after)
    count, before = json.loads(file.read_text()) if file.exists() else (0, {})
    if any(crates.get(name) != path for name, path in before.items()):
        count += 1
    if crates != before:
        file.write_text(json.dumps([count, crates]))
    return count


def keep(command, recipe):
    recipe.mkdir(parents=True, exist_ok=True)
    told = {name: value for name, value in os.environ.items() if name.startswith("CARGO_") and name != "CARGO_MAKEFLAGS"}
    settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in told.items())
    (recipe / "rustc").write_text(f"{settings}exec {shlex.join(command)}\n")


if __name__ == "__main__":
    main()
