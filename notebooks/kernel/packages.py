"""What an operating system has to bring, and what its packages are called there."""

import os
import shutil
import subprocess
import sys

from places import die, say

# By the program that installs: how a user calls it, and its packages.
MANAGERS = {
    "apt-get": ("sudo apt-get install", {"cc": "build-essential", "python": "python3 python3-venv", "data": "dataset-fashion-mnist"}),
    "dnf": ("sudo dnf install", {"cc": "gcc", "python": "python3"}),
    "pacman": ("sudo pacman -S", {"cc": "base-devel", "python": "python"}),
    "zypper": ("sudo zypper install", {"cc": "gcc", "python": "python3"}),
    "brew": ("brew install", {"python": "python"}),
}
WITHOUT_PACKAGE = {"cc": "install a C compiler (on macOS: xcode-select --install)", "python": "install Python 3.10 or newer with its module venv",
                   "data": "the library downloads the data by itself"}
OLDEST_PYTHON = (3, 10)


def need_tools():
    """Ends where something is missing that set-up cannot bring."""
    for program in ("cargo", "rustc"):
        if not shutil.which(program):
            die(f"{program} is missing: install Rust from https://rustup.rs")
    if not shutil.which("cc"):
        die(f"cc is missing: {remedy('cc')}")
    need_python()


def need_python():
    if sys.version_info < OLDEST_PYTHON:
        version = ".".join(map(str, sys.version_info[:3]))
        die(f"JupyterLab needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer; python3 is {version}")
    try:
        import ensurepip  # noqa: F401, Debian has it in a package of its own
    except ImportError:
        if not apt_install("python3-venv"):
            die(f"Python's venv module is missing: {remedy('python')}")


def remedy(what):
    """What the user has to type for something to be there."""
    for manager, (command, names) in MANAGERS.items():
        if shutil.which(manager) and what in names:
            return f"{command} {names[what]}"
    return WITHOUT_PACKAGE[what]


def apt_install(*names):
    """Installs Debian packages for root, to whom a container belongs; nobody else is asked for a password, and
    nobody's `sudo` is used. Returns whether they are there."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say(f"installing {' '.join(names)} with apt-get")
    run = lambda *arguments: subprocess.run(["apt-get", *arguments], stdout=sys.stderr, check=False).returncode == 0
    return run("update", "-q") and run("install", "-qy", "--no-install-recommends", *names)
