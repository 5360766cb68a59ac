"""What the running server refuses, and as whom it runs."""

import re
import socket
import time
from pathlib import Path

import pytest
import requests
import websocket
from conftest import IMAGE, OWNER, Stack, command, free_port
from server import Server

EVIL = "http://evil.example"


def get(stack, path, **headers):
    return requests.get(stack.server.url + path, headers=headers, timeout=30).status_code


def test_this_machine_is_served_without_a_token(stack):
    assert get(stack, "/lab") == 200
    assert printed_address(stack.container()) == f"{stack.server.url}/lab/tree/00-start.md"


def test_a_foreign_host_name_is_refused(stack):
    """As after DNS rebinding, when a page on the web resolves its own name to 127.0.0.1."""
    assert get(stack, "/lab", Host="evil.example") == 403
    assert get(stack, "/api/contents", Host="evil.example:8888") == 403


def test_another_sites_page_can_start_no_kernel(stack):
    before = stack.server.request("GET", "/api/kernels")
    token = stack.server.http.cookies["_xsrf"]
    headers = {"Origin": EVIL, "X-XSRFToken": token}
    forged = requests.post(f"{stack.server.url}/api/kernels", json={}, headers=headers, cookies={"_xsrf": token}, timeout=30)
    assert forged.status_code == 404, forged.text  # how Jupyter answers a blocked origin
    assert "Blocking Cross Origin" in command("docker", "logs", stack.container())
    assert len(stack.server.request("GET", "/api/kernels")) == len(before)


def test_a_post_without_the_xsrf_token_is_refused(stack):
    assert requests.post(f"{stack.server.url}/api/kernels", json={}, timeout=30).status_code == 403


def test_another_sites_page_can_talk_to_no_kernel(stack):
    with stack.server.kernel() as kernel:
        address = f"ws://localhost:{stack.port}/api/kernels/{kernel.id}/channels"
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            websocket.create_connection(address, origin=EVIL, timeout=30)
        assert refusal.value.status_code == 403


def test_only_the_loopback_address_is_published(stack):
    others = [address for address in command("hostname", "-I").split() if "." in address]
    assert others, "this machine has no other address to try"
    for address in others:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, stack.port), timeout=5)


def test_nobody_is_root_and_nothing_can_become_root(stack):
    with stack.server.kernel():
        assert_nothing_has_more_rights_than(OWNER, stack)


def test_compose_runs_as_root_where_root_owns_the_notebooks(tmp_path):
    """Nothing has a capability then either, so that only the name is left of root."""
    owner = 0
    stack = Stack(tmp_path, owner)
    try:
        stack.up()
        with stack.server.kernel() as kernel:
            kernel.run('std::fs::write("made.txt", "kept")?;').expect()
            assert_nothing_has_more_rights_than(owner, stack)
        made = (stack.notebooks / "made.txt").stat()
        assert (made.st_uid, made.st_gid) == (owner, owner)
    finally:
        stack.down("--volumes")


def assert_nothing_has_more_rights_than(user, stack):
    lasting = processes(stack)
    time.sleep(1)
    lasting &= processes(stack)  # without Docker's own looks at the server's health
    assert lasting
    for process in lasting:
        status = Path(f"/proc/{process}/status").read_text()
        assert re.search(rf"^Uid:(\t{user}){{4}}$", status, re.M), status
        assert re.search(r"^NoNewPrivs:\t1$", status, re.M), status
        assert len(re.findall(r"^Cap\w+:\t0+$", status, re.M)) == 5, status


def processes(stack):
    """Of the container, as this machine numbers them."""
    return set(command("docker", "top", stack.container(), "-eo", "pid").split()[1:])


def test_the_image_is_read_only_and_holds_no_secret(stack):
    refused = command("docker", "exec", stack.container(), "touch", "/opt/fmnist/probe", check=False)
    assert "Read-only file system" in refused
    assert command("docker", "inspect", "-f", "{{.Config.User}}", IMAGE) == "jovyan"
    words = command("docker", "history", "--no-trunc", IMAGE) + command("docker", "inspect", IMAGE)
    assert not re.search(r"(token|password|secret)=\S", words, re.I)
    keys = ["credentials*", ".netrc", ".git-credentials", "id_rsa*", "id_ed25519*", "jupyter_cookie_secret"]
    tests = " -o ".join(f"-name '{key}'" for key in keys)
    find = f"find / -xdev -type f \\( {tests} \\) ! -path '*/registry/src/*' ! -path '*/site-packages/*' 2>/dev/null || true"
    assert command("docker", "run", "--rm", "--user", "0", IMAGE, "bash", "-c", find) == ""


def test_a_token_is_asked_for_where_one_is_set(stack):
    stack.up(JUPYTER_TOKEN="opensesame")
    try:
        assert get(stack, "/api/contents") == 403
        assert get(stack, "/api/contents", Authorization="token wrong") == 403
        assert Server(stack.port, token="opensesame").contents("")["type"] == "directory"
        assert "opensesame" not in command("docker", "logs", stack.container())
    finally:
        stack.up()


def status(server, path="/api/contents", **headers):
    return requests.get(server.url + path, headers=headers, timeout=30).status_code


def printed_address(container):
    return re.findall(r"start\.sh: JupyterLab at (\S+)", command("docker", "logs", container))[-1]


@pytest.fixture
def served(container):
    """Starts a container as `docker run -p PORT:8888` does, and waits for its server."""

    def start(*options, docker=(), inside=8888, base=""):
        port = free_port()
        name = container(*docker, "-p", f"127.0.0.1:{port}:{inside}", IMAGE, "start-notebook.sh", *options)
        server = Server(port, base=base)
        server.wait()
        return server, name

    return start


def test_a_bare_container_makes_a_token_and_prints_the_address(served):
    server, name = served()
    assert status(server) == status(server, Authorization="token wrong") == 403
    address = printed_address(name)
    assert re.fullmatch(r"http://localhost:8888/lab/tree/00-start\.md\?token=[0-9a-f]{48}", address)
    token = address.split("=")[1]
    assert status(server, Authorization=f"token {token}") == 200
    assert "/login" not in requests.get(address.replace(":8888", f":{server.port}"), timeout=30).url


# All spellings: ../server/test_serve.py. These are the ones in tutorials.
@pytest.mark.parametrize("spelling", ["NotebookApp", "ServerApp", "IdentityProvider"])
@pytest.mark.parametrize("docker", [(), ("-e", "FMNIST_OPEN=1")], ids=["closed", "open"])
def test_a_token_on_the_command_line_is_asked_for(served, spelling, docker):
    server, name = served(f"--{spelling}.token=opensesame", docker=docker)
    answers = [status(server), status(server, Authorization="token wrong"), status(server, Authorization="token opensesame")]
    assert answers == [403, 403, 200]
    assert "opensesame" not in command("docker", "logs", name)


def test_a_token_from_a_file_is_asked_for(served, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "token").write_text("opensesame\n")
    server, _ = served(docker=["-v", f"{tmp_path}:/run/secrets:ro", "-e", "JUPYTER_TOKEN_FILE=/run/secrets/token"])
    assert [status(server), status(server, Authorization="token opensesame")] == [403, 200]


@pytest.mark.parametrize("options", ["--NotebookApp.token=''", "--IdentityProvider.token="])
def test_an_empty_token_on_the_command_line_is_an_open_server(served, options):
    server, _ = served(options)
    assert status(server) == 200
    assert status(server, Host="evil.example") == 403


def test_compose_can_be_told_to_ask(stack):
    stack.up(FMNIST_OPEN="0")
    try:
        assert get(stack, "/api/contents") == 403
        assert requests.get(printed_address(stack.container()), timeout=30).url.startswith(f"{stack.server.url}/lab")
    finally:
        stack.up()


@pytest.mark.parametrize("user", ["1234:1234", "1234"])
def test_any_user_may_run_it(served, user):
    """One without a name and without a group that the image knows."""
    server, name = served("--IdentityProvider.token=", docker=["--user", user])
    with server.kernel() as kernel:
        kernel.run('std::fs::write("made.txt", "kept")?;').expect()
    assert command("docker", "exec", name, "stat", "-c", "%u", "made.txt") == user.split(":")[0]


@pytest.mark.parametrize("options, inside, base", [
    (["--ServerApp.base_url=/nb/"], 8888, "/nb"),
    (["--port=9999", "--ServerApp.base_url=/nb/"], 9999, "/nb"),
    (["--NotebookApp.token=opensesame"], 8888, ""),
    ([], 8888, ""),
])
def test_healthy_wherever_the_server_is(served, options, inside, base):
    _, name = served(*options, inside=inside, base=base)
    deadline = time.monotonic() + 60
    while (health := command("docker", "inspect", "-f", "{{.State.Health.Status}}", name)) != "healthy":
        assert time.monotonic() < deadline, health
        time.sleep(0.5)


def test_a_home_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    refused = "nothing can be written in /home/jovyan, where Jupyter and running kernels keep their files"
    for options, words in [
        (["--user", "1234:1234", "-v", f"{tmp_path}/home:/home/jovyan"], ["Permission denied", "docker compose down --volumes"]),
        (["--read-only"], ["Read-only file system", "docker run --volume /home/jovyan"]),
    ]:
        said = command("docker", "run", "--rm", *options, IMAGE, check=False)
        assert all(word in said for word in [refused, *words]), said
        assert "Traceback" not in said and "mkdir" not in said
