"""What notebooks/start.sh does."""

import contextlib
import os
import sys
from pathlib import Path

import home
from packages import apt_install, need_tools, remedy
from places import DATASET, KERNEL, PYTHON, TEMPLATE, die, live_folder, say
from set_up import DATASET_PACKAGE, is_an_image, set_up, set_up_python

USAGE = """\
notebooks/start.sh [--port PORT] [JUPYTER OPTION...]
    Set up what is missing, then serve JupyterLab at http://localhost:8888.
notebooks/start.sh run [--quick] [--set NAME=VALUE...] [--inplace | --output-dir DIR] NOTEBOOK...
    Set up what is missing, then run notebooks headless; fail where a cell fails. --set epochs=5 gives another value
    to a variable of the cell that has the tag "parameters".
notebooks/start.sh hub [JUPYTER OPTION...], notebooks/start.sh lab [JUPYTER OPTION...]
    Serve JupyterLab as one user's server of a JupyterHub, or for oneself. Without either word, the image does the
    first where JUPYTERHUB_API_TOKEN is set.
notebooks/start.sh setup
    Only set up what is missing.
notebooks/start.sh data
    Install Debian's package of Fashion-MNIST, where it is missing, as root.
notebooks/start.sh python ARGUMENT...
    The Python that serves the notebooks; installed where it is missing.

JUPYTER OPTION: all that `jupyter lab` knows. What is set so, in Jupyter's environment variables or in its
configuration files wins over what is set here.

Environment: FMNIST_PORT (8888), FMNIST_ADDRESS (127.0.0.1), FMNIST_CACHE_DIR (~/.cache/fmnist-lib),
FMNIST_WORK_DIR (the notebooks that are served; this folder), JUPYTER_TOKEN (none; at an address that other
machines reach, a random one), FMNIST_OPEN=1 (no token there either), FMNIST_READY_MINUTES (for ever; for a hub 20:
how long a kernel is kept ready that no notebook asks for)."""


def serve(arguments):
    if not (TEMPLATE / "stamp").exists():
        need_tools()
        set_up_python()
        # What is wrong with the port or a folder shows before the long part of the set-up.
        status = os.spawnv(os.P_WAIT, PYTHON, [PYTHON, KERNEL / "serve.py", "--check", *arguments])
        if status:
            sys.exit(status)
    set_up()
    become_server(*arguments)


def serve_hub(arguments):
    if work := os.environ.get("FMNIST_WORK_DIR"):
        home.fill(Path(work))
        with contextlib.suppress(OSError):  # serve.py says what to do
            os.chdir(work)  # the hub may start it elsewhere, or in what was `work` before
    set_up()
    os.environ.setdefault("FMNIST_READY_MINUTES", "20")  # thirty kernels that nobody uses are gigabytes
    become_server("--hub", *arguments)


def become_server(*arguments):
    os.environ["FMNIST_POOL"] = str(live_folder() / f"pool-{os.getpid()}.sock")
    os.environ["FMNIST_LIVE"] = "1"  # `fit` then shows how it goes while it runs
    become(KERNEL / "serve.py", *arguments)


def run(arguments):
    if not arguments:
        fail()
    set_up()
    for name in ("FMNIST_POOL", "FMNIST_LIVE"):
        os.environ.pop(name, None)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    become(KERNEL / "run.py", *arguments)


def python(arguments):
    set_up_python()
    become(*arguments)


def data():
    if not DATASET.is_dir() and not apt_install(DATASET_PACKAGE):
        die(f"only root can install packages: {remedy('data')}")


def become(*arguments):
    """The notebooks' Python takes this process's place."""
    os.execv(PYTHON, [PYTHON, *arguments])


def fail(*words):
    for word in words:
        say(word)
    print(USAGE, file=sys.stderr)
    sys.exit(2)


def main():
    command, *arguments = sys.argv[1:] or [""]
    if command == "" or command.startswith("-") and command not in ("-h", "--help"):
        options = [command, *arguments] if command else []
        if os.environ.get("JUPYTERHUB_API_TOKEN") and is_an_image():
            serve_hub(options)
        serve(options)
    elif command == "lab":
        serve(arguments)
    elif command == "hub":
        serve_hub(arguments)
    elif command in ("help", "-h", "--help"):
        print(USAGE)
    elif command == "setup":
        set_up()
    elif command == "data":
        data()
    elif command == "python":
        python(arguments)
    elif command == "run":
        run(arguments)
    else:
        fail(f'unknown command "{command}"')


if __name__ == "__main__":
    main()
