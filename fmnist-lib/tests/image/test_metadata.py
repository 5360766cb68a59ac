"""What a kernel's type inference is told of the packages."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import REPOSITORY

MANIFEST = """
[package]
name = "ctx"
version = "1.0.0"
edition = "2024"

[lib]
path = "lib.rs"

[dependencies]
fmnist-lib = {{ path = "{library}" }}
csv = "1"

[workspace]
"""


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The packages that cargo and metadata.py name, each with what it depends on."""
    folder = tmp_path_factory.mktemp("ctx")
    (folder / "Cargo.toml").write_text(MANIFEST.format(library=REPOSITORY / "fmnist-lib"))
    (folder / "lib.rs").touch()
    shutil.copy(REPOSITORY / "Cargo.lock", folder)
    cargo = shutil.which("cargo")
    script = [sys.executable, REPOSITORY / "notebooks" / "kernel" / "metadata.py"]

    def ask(program):
        command = [*program, "metadata", "--format-version", "1", "--manifest-path", folder / "Cargo.toml"]
        metadata = json.loads(subprocess.check_output(command, env=os.environ | {"FMNIST_CARGO": cargo}))
        by_id = {package["id"]: package["name"] for package in metadata["packages"]}
        return {by_id[node["id"]]: {by_id[one["pkg"]] for one in node["deps"]} for node in metadata["resolve"]["nodes"]}

    return ask([cargo]), ask(script)


def test_what_the_library_keeps_to_itself_is_left_out(names):
    full, pruned = names
    assert {"image", "gemm", "plotters"} <= full.keys()
    assert not {"image", "gemm", "plotters"} & pruned.keys()
    assert pruned["fmnist-lib"] == {"candle-core", "candle-nn"}
    assert pruned["candle-core"] == {"half"}


def test_what_the_notebook_adds_is_kept_whole(names):
    """Although the library depends on the same crate."""
    full, pruned = names
    assert pruned["ctx"] == full["ctx"]
    waiting = ["csv"]
    while waiting:
        name = waiting.pop()
        assert pruned[name] == full[name]
        waiting += full[name]
