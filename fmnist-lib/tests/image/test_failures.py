"""What goes wrong on a user's machine: a clear message, and nothing lost."""

import json
import socket
import time

import test_live
from conftest import IMAGE, Server, command, free_port

LOAD = test_live.LOAD.replace("three_layer", "one_layer")
CONFIG = 'FitConfig::default().epochs(8).verbose(Verbose::Lines).checkpoint("run.safetensors")'


def test_the_port_is_in_use(stack):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        message = stack.compose("up", "-d", "--no-build", check=False, FMNIST_PORT=port)
    stack.up()
    # Docker's two ways to say it; the second names no port.
    assert (f":{port}" in message and "in use" in message) or "already allocated" in message, message


def test_a_folder_that_cannot_be_written(tmp_path):
    mount = f"{tmp_path}:/home/jovyan/work"
    tmp_path.chmod(0o777)
    message = command("docker", "run", "--rm", "-v", f"{mount}:ro", IMAGE, check=False)
    assert "nothing can be saved in /home/jovyan/work: Read-only file system" in message, message
    tmp_path.chmod(0o755)
    message = command("docker", "run", "--rm", "-v", mount, IMAGE, check=False)
    assert "it belongs to user 0:0, and this is user 1000:100" in message, message
    assert "docker run --user 0:0" in message, message


def test_the_disk_is_full(container):
    """The checkpoint of the first epoch does not fit; the model does not care."""
    port = free_port()
    container("--env", "FMNIST_OPEN=1", "--tmpfs", "/home/jovyan/work:size=1m,uid=1000",
              "-p", f"127.0.0.1:{port}:8888", IMAGE)
    server = Server(port)
    server.wait()
    with server.kernel() as kernel:
        kernel.run(LOAD).expect()
        result = kernel.run(f"fit(&mut model, &train, &validation, {CONFIG})?;")
        assert "run.safetensors: No space left on device" in result.error, result.error
        assert "free some space" in result.error, result.error
        result = kernel.run('println!("{} {}", model.history().epochs.len(), evaluate(&model, &data.test)?);')
        assert result.expect().stdout.startswith("1 "), result.stdout


def test_the_container_is_killed_in_the_middle_of_an_epoch(stack):
    """Training goes on from the checkpoint, to the very same end."""
    kernel = stack.server.kernel()
    kernel.run(LOAD).expect()
    kernel.send(f"fit(&mut model, &train, &validation, {CONFIG})?;")
    while not (stack.notebooks / "run.safetensors").exists():
        time.sleep(0.05)
    time.sleep(0.3)
    command("docker", "kill", stack.container())
    stack.up()
    with stack.server.kernel() as kernel:
        kernel.run(LOAD).expect()
        resumed = kernel.run('let (resumed, _) = resume("run.safetensors", &train, &validation)?;').expect()
        ran = resumed.stdout.count("Epoch ")
        assert 0 < ran < 8, "the container was killed before or after the run"
        kernel.run("fit(&mut model, &train, &validation, FitConfig::default().epochs(8))?;").expect()
        ends = [kernel.run(test_live.LOSSES.replace("NAME", name)).expect().stdout for name in ("resumed", "model")]
        assert ends[0] == ends[1]
        assert ends[0].count("Some") == 8


def test_few_ports_are_free(tmp_path):
    """What Jupyter gave to a notebook is not what another kernel takes, nor the other way round."""
    few = ["--sysctl", "net.ipv4.ip_local_port_range=40000 40063"]
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "execution_count": None, "outputs": [], "source": "1 + 1"}
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}))
    kernels = ["/tmp/notebook.ipynb"] * 3
    command("docker", "run", "--rm", *few, "-v", f"{notebook}:/tmp/notebook.ipynb:ro", IMAGE, "start-notebook.sh", "run",
            "--cwd", ".", *kernels)
