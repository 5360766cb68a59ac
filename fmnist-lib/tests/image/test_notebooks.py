"""Notebooks run through the server, with and without the network, and survive the container."""

import os
import re
import threading

import nbformat
import pytest
from conftest import IMAGE, OWNER, REPOSITORY, Server, command, free_port

# Those that find the results of sweeps beside them and write files. A browser runs the first, `cargo test` all.
NOTEBOOKS = [path for number in ("04", "10") for path in (REPOSITORY / "notebooks").glob(f"{number}-*.ipynb")]
DEPENDENCY = ':dep fmnist-lib = { path = "../fmnist-lib" }\nuse fmnist_lib::candle_core::{DType, Device, Var};'
ANYWHERE = DEPENDENCY.replace('path = "../fmnist-lib"', "workspace = true")
TENSOR = 'let a = Var::ones((2, 3), DType::F32, &Device::Cpu)?; println!("{:?} {}", a.id(), a.sum_all()?);'


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_to_its_end(stack, path):
    with stack.server.kernel(path.name) as kernel:
        pictures = 0
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                pictures += "image/png" in kernel.run(cell.source).expect().data
        assert pictures, "no cell gave a picture"
        # A cell that left through `?` would have left its variables behind.
        assert "the end" in kernel.run('println!("the end");').expect().stdout


def test_without_a_network(stack):
    """Only the way to this machine is left."""
    pid = command("docker", "inspect", "-f", "{{.State.Pid}}", stack.container())
    inside = ["nsenter", "-t", pid, "-n", "ip", "route"]
    route = command(*inside, "show", "default").split()
    command(*inside, "del", "default")
    try:
        with stack.server.kernel() as kernel:
            assert "6" in kernel.run(DEPENDENCY + TENSOR).expect().stdout
            data = "let data = fmnist_lib::FashionMnist::load()?; println!(\"{}\", data.train.len());"
            assert "60000" in kernel.run(data).expect().stdout
    finally:
        command(*inside, "add", *route)


def test_a_notebook_in_a_subfolder_loads_the_library(stack):
    """By a line that is the same in every folder."""
    (stack.notebooks / "sub").mkdir()
    os.chown(stack.notebooks / "sub", OWNER, OWNER)
    for folder in ("sub", ""):
        with stack.server.kernel(folder=folder) as kernel:
            assert "6" in kernel.run(ANYWHERE + TENSOR).expect().stdout


def test_two_notebooks_at_once(stack):
    """Each gives its tensors ids of its own, across cells."""
    ids = {}

    def work(name):
        with stack.server.kernel(f"{name}.ipynb") as kernel:
            outputs = [kernel.run(code).expect().stdout for code in (DEPENDENCY + TENSOR, TENSOR, TENSOR)]
            ids[name] = [int(re.search(r"TensorId\((\d+)\)", output)[1]) for output in outputs]

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ids) == {"a", "b"}
    for series in ids.values():
        assert series == sorted(set(series)), ids


def test_a_further_crate_can_be_added(stack):
    """As long as there is a network; it is kept for later containers."""
    with stack.server.kernel() as kernel:
        code = ':dep itoa = "1"\nprintln!("{}", itoa::Buffer::new().format(1234567));'
        assert "1234567" in kernel.run(code).expect().stdout


def test_what_users_make_is_theirs_and_stays(stack):
    with stack.server.kernel() as kernel:
        kernel.run(DEPENDENCY).expect()
        kernel.run('fmnist_lib::one_layer().build(1)?.save("model.safetensors")?;').expect()
    notebook = {"type": "notebook", "format": "json", "content": nbformat.v4.new_notebook()}
    stack.server.request("PUT", "/api/contents/mine.ipynb", json=notebook)
    stack.down()
    stack.up()
    for name in ("model.safetensors", "mine.ipynb"):
        assert stack.server.contents(name)["size"] > 0
        status = (stack.notebooks / name).stat()
        assert (status.st_uid, status.st_gid) == (OWNER, OWNER)


def test_the_reports_own_command(container, tmp_path):
    tmp_path.chmod(0o777)
    port = free_port()
    container("-v", f"{tmp_path}:/home/jovyan/work", "-p", f"127.0.0.1:{port}:8888", IMAGE,
              "start-notebook.sh", "--NotebookApp.token=''")
    server = Server(port)
    server.wait()
    with server.kernel() as kernel:
        assert "2" in kernel.run("1 + 1").expect().data["text/plain"]
        kernel.run('std::fs::write("plot.txt", "kept")?;').expect()
    assert (tmp_path / "plot.txt").read_text() == "kept"
