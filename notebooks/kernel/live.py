"""One evcxr, in a folder of its own: live.py CONNECTION_FILE. relay.py or pool.py stands before it."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from crates import cargo_home
from places import KERNEL, PYTHON, TEMPLATE, alone, die, live_folder
from set_up import find_evcxr


def main():
    connection_file = sys.argv[1]
    live = live_folder()
    folder = live / f"live-{os.getpid()}"
    lock = claim(live, folder)
    try:
        status = run(folder, connection_file, lock)
    finally:
        # In a session of its own, because Jupyter kills this one soon after it asked it to end.
        subprocess.Popen(["rm", "-rf", folder], start_new_session=True)
    sys.exit(status if status >= 0 else 128 - status)


def claim(live, folder):
    """Makes this process's own copy of the template and clears away the copies of dead kernels. A copy is alive for
    as long as some process of its kernel holds its lock file open; returns that file."""
    with alone(live / "lock"):
        for old in live.glob("live-*"):
            with contextlib.suppress(OSError), open(old / "lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
        if not (TEMPLATE / "stamp").exists():
            die("the kernel is not set up: run notebooks/start.sh setup")
        folder.mkdir()
        lock = open(folder / "lock", "w")  # noqa: SIM115, for as long as the kernel lives
        fcntl.flock(lock, fcntl.LOCK_EX)
        copy_template(TEMPLATE, folder)
    return lock


def copy_template(template, folder):
    """The compiled library by links, which outlive a new template, and the rest as files of its own. An image's
    library, which nobody replaces, is linked as a whole."""
    shutil.copytree(template, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("library"))
    if os.access(template, os.W_OK):
        shutil.copytree(template / "library", folder / "library", copy_function=os.link)
    else:
        (folder / "library").symlink_to(template / "library")


def run(folder, connection_file, lock):
    """Runs evcxr to its end; returns its status. It ends as well when whoever started this goes away, and with him
    the other end of stdin."""
    evcxr = find_evcxr()
    program = own_program(folder, evcxr)
    child = subprocess.Popen(["evcxr_jupyter", "--control_file", connection_file], executable=f"/proc/self/fd/{program}",
                             env=environment(folder, connection_file) | {"FMNIST_EVCXR": evcxr}, stdin=subprocess.DEVNULL,
                             pass_fds=[program, lock.fileno()], preexec_fn=heed_stop)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: child.terminate())
    threading.Thread(target=end_with_stdin, args=[child], daemon=True).start()
    return child.wait()


def end_with_stdin(child):
    while os.read(0, 1):
        pass
    child.terminate()


def heed_stop():
    """Stop sends SIGINT, which whoever runs this in the background has it ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def own_program(folder, evcxr):
    """evcxr runs the cells in a second process of its own program, by the name that Linux gives it. Here that is the
    name of a file that is no more, "NAME (deleted)": kernel/runtime stands under it. See PROTOCOL.md."""
    program = folder / "evcxr"
    Path(f"{program} (deleted)").symlink_to(KERNEL / "runtime")
    try:
        os.link(evcxr, program)
    except OSError:  # on another file system, or of another user
        shutil.copy(evcxr, program)
    opened = os.open(program, os.O_RDONLY)
    program.unlink()
    return opened


def environment(folder, connection_file):
    toolchain = json.loads((folder / "toolchain.json").read_text())
    home = cargo_home()
    # evcxr moves each cell's library out of the folder that its relative run path starts from. A folder that is not
    # there when the process starts is never searched again.
    libraries = folder / "ctx" / "target" / toolchain["host"] / "debug" / "deps"
    libraries.mkdir(parents=True)
    (folder / "outside.json").write_text(json.dumps(dict(os.environ)))  # for what build.py does as a user would
    searched = [toolchain["libraries"], folder / "library", libraries, os.environ.get("LD_LIBRARY_PATH")]
    return os.environ | {
        "FMNIST_CARGO": toolchain["cargo"], "FMNIST_NOTEBOOKS": str(KERNEL.parent), "FMNIST_PYTHON": str(PYTHON),
        "FMNIST_STREAMS": str(Path(connection_file).parent),
        "RUST_SRC_PATH": toolchain["sources"], "EVCXR_TMPDIR": str(folder / "ctx"), "EVCXR_CONFIG_DIR": str(KERNEL),
        "LD_LIBRARY_PATH": ":".join(str(one) for one in searched if one),
        "CARGO_HOME": str(home), "CARGO_CACHE_AUTO_CLEAN_FREQUENCY": "never",
        "PATH": f"{home}/bin:{toolchain['programs']}:{os.environ['PATH']}"}


if __name__ == "__main__":
    main()
