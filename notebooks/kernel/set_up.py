"""Makes what notebooks need, each thing once: JupyterLab, the Rust kernel, the data, the compiled library."""

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import library
from packages import apt_install, need_python, need_tools
from places import CACHE, DATASET, KERNEL, PYTHON, TEMPLATE, VENV, alone, die, replace, say

EVCXR_VERSION = (KERNEL / "evcxr-version").read_text().strip()
REQUIREMENTS = KERNEL / "requirements.txt"

Step = namedtuple("Step", "what takes is_done make")


def set_up():
    """Does what is missing, having said all of it first."""
    if is_an_image():
        return
    need_tools()
    do([JUPYTERLAB, EVCXR, RUST_SOURCES, DATA, COMPILED])


def set_up_python():
    """What is needed to run Python here, and no more."""
    if not venv_is_current():
        need_python()
        do([JUPYTERLAB])


def is_an_image():
    """An image comes set up, and its users cannot write there."""
    return (TEMPLATE / "stamp").exists() and not os.access(TEMPLATE, os.W_OK)


def do(steps):
    with alone(CACHE / "setup.lock", lambda: say("waiting for another set-up to finish")):
        missing = [step for step in steps if not step.is_done()]
        if missing:
            say(f"to be made ready in {CACHE}, once (times on two cores):")
            for step in missing:
                say(f"  {step.what}, {step.takes}")
        for step in missing:
            step.make()
        if JUPYTERLAB in steps:
            register_plugins()
        if COMPILED in steps:
            library.write_toolchain()
            write_kernelspec()


# --- JupyterLab -----------------------------------------------------------------------------------


def venv_is_current():
    made = VENV / "requirements.txt"
    return made.is_file() and filecmp.cmp(REQUIREMENTS, made, shallow=False)


def make_venv():
    run = lambda *command: subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0
    if not run(sys.executable, "-m", "venv", "--clear", VENV):
        die(f"Python could not make a virtual environment in {VENV}; its message is above")
    if not run(VENV / "bin" / "pip", "install", "--quiet", "--no-cache-dir", "--requirement", REQUIREMENTS):
        die("pip could not install JupyterLab; check the network and run this again")
    shutil.rmtree(VENV / "share/jupyter/kernels/python3", ignore_errors=True)  # these notebooks are Rust
    shutil.copy(REQUIREMENTS, VENV)


def register_plugins():
    """Has papermill and jupyter-server-proxy find what is meant for them."""
    packages = next(VENV.glob("lib/python*/site-packages"))
    replace(packages / "fmnist_plugins.pth", f"{KERNEL / 'plugins'}\n")


def write_kernelspec():
    share = VENV / "share" / "jupyter"
    folder = share / "kernels" / "rust"
    if not (folder / "logo-64x64.png").exists():
        subprocess.run([find_evcxr(), "--install"], env=os.environ | {"JUPYTER_PATH": str(share)},
                       stdout=subprocess.DEVNULL, check=True)
    spec = {"argv": [str(PYTHON), str(KERNEL / "relay.py"), "{connection_file}"], "display_name": "Rust",
            "language": "rust", "interrupt_mode": "message"}
    replace(folder / "kernel.json", json.dumps(spec, indent=2) + "\n")
    settings = share / "lab" / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    replace(settings / "overrides.json", (KERNEL / "lab.json").read_text())


# --- The Rust kernel ------------------------------------------------------------------------------


def find_evcxr():
    """A kernel of the right version, or None."""
    for path in (str(CACHE / "bin" / "evcxr_jupyter"), shutil.which("evcxr_jupyter")):
        if path and os.access(path, os.X_OK):
            installed = Path(path).parent.parent / ".crates.toml"
            if installed.is_file() and re.search(rf'"evcxr_jupyter {re.escape(EVCXR_VERSION)} ', installed.read_text()):
                return path
    return None


def make_evcxr():
    command = ["cargo", "install", "--quiet", "--locked", "--root", CACHE, f"evcxr_jupyter@{EVCXR_VERSION}"]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        die("cargo could not install evcxr_jupyter; its message is above")


def make_rust_sources():
    rustup = shutil.which("rustup")
    if rustup and subprocess.run([rustup, "component", "add", "rust-src"], stdout=sys.stderr, check=False).returncode == 0:
        return
    for package in ("rust-src", "rust-web-src"):
        if library.rust_sources() or apt_install(package) and library.rust_sources():
            return
    die("the standard library's sources, of Rust 1.95 or newer, are missing: rustup component add rust-src, or your "
        "distribution's package rust-src")


# --- The data -------------------------------------------------------------------------------------


def make_dataset():
    """Debian's package, for root. Nobody else has to wait: the library downloads the data when it needs them."""
    apt_install(DATASET_PACKAGE)


def dataset_is_settled():
    return DATASET.is_dir() or os.geteuid() != 0 or not shutil.which("apt-get")


DATASET_PACKAGE = "dataset-fashion-mnist"
JUPYTERLAB = Step("JupyterLab", "1 minute", venv_is_current, make_venv)
EVCXR = Step(f"evcxr_jupyter {EVCXR_VERSION}, the Rust kernel", "8 minutes", lambda: find_evcxr() is not None, make_evcxr)
RUST_SOURCES = Step("the standard library's sources", "seconds", lambda: library.rust_sources() is not None, make_rust_sources)
DATA = Step("Fashion-MNIST, with apt-get", "seconds", dataset_is_settled, make_dataset)
COMPILED = Step("fmnist-lib and Candle, compiled for notebooks", "4 minutes; 1 minute where only fmnist-lib has changed",
                library.is_current, library.make)


if __name__ == "__main__":
    set_up()
