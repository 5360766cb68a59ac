"""The same server without Docker."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY, command, free_port
from server import Server
from test_notebooks import ANYWHERE, DEPENDENCY, TENSOR

START = REPOSITORY / "notebooks" / "start.sh"
MARK = "FMNIST_TEST_SERVER"  # all that the server starts inherits it


@pytest.fixture
def server():
    port = free_port()
    # Where a shell runs this in the background, Ctrl-C is ignored, and what it starts inherits that.
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([START, "--port", str(port)], preexec_fn=heed, start_new_session=True,
                               env=os.environ | {MARK: str(port)})
    server = Server(port)
    server.mark = f"{MARK}={port}"
    try:
        server.wait()
        yield server
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    # The kernels that were kept ready went with it.
    deadline = time.monotonic() + 60
    while left := processes(server):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def processes(server):
    """What runs of one server, and not of another on this machine: command lines by process id."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if server.mark in (path / "environ").read_text(errors="replace").split("\0"):
                found[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended
            pass
    return {id: line for id, line in found.items() if line}  # without those that only their parents remember


def test_kernels_are_ready_and_count_from_one(server):
    with server.kernel() as first, server.kernel() as second:
        for kernel in (first, second):
            result = kernel.run(DEPENDENCY + TENSOR).expect()
            assert "6" in result.stdout
            assert result.count == 1
            # What the warm-up defined is gone.
            assert "cannot find value `warm`" in kernel.run("&warm").error


def test_a_kernel_that_is_killed_can_be_started_again(server):
    with server.kernel() as kernel:
        kernel.run("let x = 1;").expect()
        server.request("POST", f"/api/kernels/{kernel.id}/restart")
        kernel.reconnect()
        assert "cannot find value `x`" in kernel.run("&x").error
        assert "3" in kernel.run("1 + 2").expect().data["text/plain"]


def test_a_notebook_does_not_wait_for_a_kernel_that_hangs(server):
    """The one that is being made ready is stopped half-way; the notebook gets another."""
    pool, = [id for id, line in processes(server).items() if "/pool.py" in line]
    while not (spare := command("pgrep", "-P", pool, "-f", "kernel/live.py", check=False)):
        time.sleep(0.1)
    # Not before it has its copy of the template, which one kernel makes at a time.
    while not command("pgrep", "-g", spare, "evcxr_jupyter", check=False):
        time.sleep(0.1)
    os.killpg(int(spare), signal.SIGSTOP)
    try:
        with server.kernel() as kernel:
            assert "3" in kernel.run("1 + 2").expect().data["text/plain"]
    finally:
        os.killpg(int(spare), signal.SIGCONT)  # what the pool asked of it in the meantime, it does now


@pytest.mark.parametrize("fate", [signal.SIGSTOP, signal.SIGKILL])
def test_a_notebook_does_not_wait_for_a_ready_kernel_that_hangs_or_is_gone(server, fate):
    pool, = [id for id, line in processes(server).items() if "/pool.py" in line]
    while not (spare := command("pgrep", "-P", pool, "-f", "kernel/live.py", check=False)):
        time.sleep(0.1)
    while not rests(spare):
        pass
    os.killpg(int(spare), fate)
    try:
        with server.kernel() as kernel:
            assert "3" in kernel.run("1 + 2").expect().data["text/plain"]
    finally:
        if fate == signal.SIGSTOP:
            os.killpg(int(spare), signal.SIGCONT)


def rests(group):
    """Whether a kernel has run its first cells, and does nothing for some seconds."""
    before = cpu_seconds(group)
    time.sleep(3)
    return before > 1 and cpu_seconds(group) - before < 0.1


def cpu_seconds(group):
    """What the processes of a group have worked so far, all together."""
    total = 0
    for process in command("pgrep", "-g", group).split():
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15])  # with those of its children that have ended
        except OSError:  # it has ended
            pass
    return total / os.sysconf("SC_CLK_TCK")


def test_a_notebook_in_another_folder_gets_a_kernel_there(server):
    folder = f"notebooks-{os.getpid()}"
    (START.parent / folder).mkdir()
    try:
        with server.kernel(folder=folder) as kernel:
            here = 'println!("{}", std::env::current_dir()?.display());'
            assert kernel.run(here).expect().stdout.strip().endswith(f"/{folder}")
            assert "6" in kernel.run(ANYWHERE + TENSOR).expect().stdout
    finally:
        (START.parent / folder).rmdir()


def test_the_port_is_in_use():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        message = command(START, "--port", port, check=False)
    assert f"port {port} is in use: stop what listens there, or choose another with --port" in message
