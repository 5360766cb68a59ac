"""The crates that were downloaded, and the cargo that kernels find."""

import contextlib
import os
import shutil
from pathlib import Path

from places import KERNEL, live_folder


def cargo_home():
    """A CARGO_HOME that differs from the user's in one thing: evcxr and its rust-analyzer find kernel/cargo there.
    (evcxr would ask rustup first.) Downloads are shared with the user's own or, where that is an image's, start with
    what the image has and are kept with the user."""
    home = Path(os.environ.get("FMNIST_CARGO_HOME") or live_folder() / "cargo")
    theirs = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    (home / "bin").mkdir(parents=True, exist_ok=True)
    link(KERNEL / "cargo", home / "bin" / "cargo")
    link(Path("/bin/false"), home / "bin" / "rustup")
    if os.access(theirs, os.W_OK):
        for name in ("registry", "git"):
            (theirs / name).mkdir(exist_ok=True)
        for name in ("registry", "git", "config.toml", "credentials.toml"):
            if (theirs / name).exists():
                link(theirs / name, home / name)
        return home
    for kind in ("src", "cache"):
        for index in (theirs / "registry" / kind).glob("*"):
            own = home / "registry" / kind / index.name
            own.mkdir(parents=True, exist_ok=True)
            for crate in index.iterdir():
                with contextlib.suppress(FileExistsError):
                    (own / crate.name).symlink_to(crate)
    index = theirs / "registry" / "index"
    if index.exists():
        shutil.copytree(index, home / "registry" / "index", dirs_exist_ok=True, copy_function=update)
    return home


def update(source, target):
    if not os.path.exists(target) or os.path.getmtime(source) > os.path.getmtime(target):
        shutil.copy2(source, target)


def link(target, path):
    """Makes `path` a link to `target`, whatever it was, while others may follow it."""
    if path.is_symlink() and path.readlink() == target:
        return
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.symlink_to(target)
    os.replace(new, path)
