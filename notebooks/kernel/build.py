"""What cargo does where it has to look for itself: build.py build|check ARGUMENT..., in the package of the cells.

The library is there already (library.py): Cargo gets the manifest without it, and compiles what else the notebook
has added, here; compile.py then gives the library to the compiler of the cell. A library that the user has changed
since is compiled again, once for all kernels, unless this kernel has it loaded already.

What Cargo came to (compile.py) is kept in target/cell: kernel/cargo repeats it while only the cell changes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import added
import library
from notice import Notice
from places import KERNEL, LIBRARY, TEMPLATE, alone

READY = Path("../library")  # from the package of the cells
MANIFEST = Path("Cargo.toml")
RECIPE = Path("target/cell")
OURS = re.compile(r'^fmnist-lib\s*=\s*\{\s*(?:path\s*=\s*"(?P<path>[^"]*)"|workspace\s*=\s*true)\s*\}\s*$', re.MULTILINE)
CANDLE = re.compile(r"^candle-(core|nn)\b", re.MULTILINE)
SECOND_CANDLE = ("error: each cell would have a copy of Candle of its own, whose tensors have the same ids: gradients would be "
                 "mixed up. Use fmnist_lib::candle_core and fmnist_lib::candle_nn, which need no :dep")
COMPILING = re.compile(r"\s*Compiling (\S+) v")


def main():
    command, *arguments = sys.argv[1:]
    manifest = MANIFEST.read_text()
    ours = OURS.search(manifest)
    if ours and CANDLE.search(manifest):
        sys.exit(SECOND_CANDLE)
    environment = os.environ | {"RUSTC_WORKSPACE_WRAPPER": str(KERNEL / "rustc"), "FMNIST_LIBRARY": "",
                                "FMNIST_RECIPE": os.path.abspath(RECIPE)}
    try:
        shown = manifest
        if ours and is_ready(ours["path"]):
            environment["FMNIST_LIBRARY"], shown = os.path.abspath(READY), OURS.sub("", manifest)
        MANIFEST.write_text(shown)
        added.take(shown)
        status = build(arguments, environment, manifest) if command == "build" else run([command, *arguments], environment)
    except KeyboardInterrupt:  # Stop, which ends Cargo and the compiler as well
        status = 130
    finally:
        MANIFEST.write_text(manifest)
    sys.exit(status)


def is_ready(path):
    """Whether what the notebook names is the library of this checkout: as it is now, or as this kernel has loaded it."""
    if path is not None and Path(path).resolve() != LIBRARY.resolve():
        return False
    loaded = Path("../loaded")
    if not loaded.exists() and library.has_changed(Path("../stamp").read_text()):
        take_anew()
    loaded.touch()
    return True


def take_anew():
    """The library has changed since it was compiled for notebooks."""
    outside = json.loads(Path("../outside.json").read_text())
    with Notice() as notice:
        notice.show("fmnist-lib has changed: compiling it for notebooks, about a minute")
        if subprocess.run(["python3", "-S", KERNEL / "set_up.py"], env=outside, check=False, stdout=sys.stderr).returncode:
            sys.exit(1)
    with alone(TEMPLATE.with_name("lock")):
        shutil.rmtree(READY)
        shutil.copytree(TEMPLATE / "library", READY, copy_function=os.link)
        shutil.copy(TEMPLATE / "stamp", "../stamp")


def run(arguments, environment):
    return subprocess.run([os.environ["FMNIST_CARGO"], *arguments], env=environment, check=False).returncode


def build(arguments, environment, manifest):
    """Builds, says which packages are compiled as they are, and keeps what a build of the same manifest comes to."""
    shutil.rmtree(RECIPE, ignore_errors=True)
    crates = []
    with tempfile.TemporaryFile("w+") as messages, Notice() as notice:
        cargo = subprocess.Popen([os.environ["FMNIST_CARGO"], "build", *arguments], env=environment, text=True,
                                 errors="replace", stdout=messages, stderr=subprocess.PIPE)
        for line in cargo.stderr:
            print(line, end="", file=sys.stderr, flush=True)
            compiling = COMPILING.match(line)
            if compiling and compiling[1] != "ctx":
                crates.append(compiling[1])
                notice.show(f"compiling for this notebook, {len(crates)} crates so far: {compiling[1]}")
        cargo.wait()
        if crates and cargo.returncode == 0:
            notice.show(f"compiled for this notebook: {', '.join(crates)}")
            added.keep()
        messages.seek(0)
        artifact = None
        for line in messages:
            sys.stdout.write(line)
            if '"reason":"compiler-artifact"' in line and '"name":"ctx"' in line:
                artifact = line
    if cargo.returncode == 0 and artifact and (RECIPE / "rustc").exists():
        (RECIPE / "artifact").write_text(artifact)
        (RECIPE / "library").write_text(json.loads(artifact)["filenames"][0])
        (RECIPE / "Cargo.toml").write_text(manifest)  # last: without it, there is no recipe
    return cargo.returncode


if __name__ == "__main__":
    main()
