"""What the running server refuses, and as whom it runs."""

import re
import socket

import pytest
import requests
import websocket
from conftest import IMAGE, command
from server import Server

EVIL = "http://evil.example"


def get(stack, path, **headers):
    return requests.get(stack.server.url + path, headers=headers, timeout=30).status_code


def test_this_machine_is_served_without_a_token(stack):
    assert get(stack, "/lab") == 200


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
        rows = command("docker", "top", stack.container(), "-eo", "pid,uid").splitlines()[1:]
        assert rows and {row.split()[1] for row in rows} == {"1234"}
    status = command("docker", "exec", stack.container(), "cat", "/proc/1/status")
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.M)
    for kind in ("Prm", "Eff", "Bnd"):
        assert re.search(rf"^Cap{kind}:\s*0+$", status, re.M), status


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
