"""The image as BinderHub starts it: what repo2docker makes of .binder/Dockerfile is the image itself."""

import re

import requests
from conftest import IMAGE, REPOSITORY, command, free_port
from server import Server

BASE = "/user/owner-repository-1a2b3c/"
# As in BinderHub's helm-chart/binderhub/values.yaml and binderspawner_mixin.py.
LAUNCH = """
import os, sys
try:
    import jupyterlab
    exe = "jupyter-lab"
except Exception:
    exe = "jupyter-notebook"
os.execvp(exe, sys.argv)
"""
OPTIONS = [f"base_url={BASE}", "token=opensesame", "trust_xheaders=True", "allow_origin=*", "allow_origin_pat=.*"]
# A hub that knows no users has started it, so the image's own way to ask a hub would be the wrong one.
HUB = {"JUPYTERHUB_API_TOKEN": "secret", "JUPYTERHUB_API_URL": "http://hub:8081/hub/api", "JUPYTERHUB_SERVICE_PREFIX": BASE,
       "JUPYTERHUB_SERVICE_URL": f"http://0.0.0.0:8888{BASE}", "JUPYTERHUB_USER": "owner-repository-1a2b3c"}


def test_binder_pulls_the_image_and_changes_nothing():
    lines = [line for line in (REPOSITORY / ".binder" / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 1 and re.fullmatch(r"FROM ghcr\.io/\S+/fmnist-notebooks:v\S+", lines[0]), lines


def test_the_page_opens_with_its_token_below_its_path(container):
    port = free_port()
    hub = [part for name, value in HUB.items() for part in ("-e", f"{name}={value}")]
    options = [f"--{name}.{option}" for name in ("NotebookApp", "ServerApp") for option in OPTIONS]
    name = container(*hub, "--user", "1000", "-p", f"127.0.0.1:{port}:8888", IMAGE,
                     "python3", "-c", LAUNCH, "--ip=0.0.0.0", "--port=8888", *options)
    visitor = Server(port, base=BASE.rstrip("/"))
    visitor.wait()
    for token in ("", "?token=wrong"):
        assert requests.get(f"{visitor.url}/api/contents{token}", timeout=30).status_code == 403
    page = visitor.http.get(f"{visitor.url}/?token=opensesame", timeout=30)
    assert page.status_code == 200 and f"{BASE}lab/tree/00-start.md" in page.url
    assert "03-a-first-network.ipynb" in [one["name"] for one in visitor.contents("")["content"]], "with the page's cookies"
    with visitor.kernel() as kernel:
        assert kernel.ask("kernel_info_request")["language_info"]["name"] == "Rust"
    assert "opensesame" not in command("docker", "logs", name)
