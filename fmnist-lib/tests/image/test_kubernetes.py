"""The Job for Kubernetes: as the API's schema wants it, and its container, run as the Job says by a plain engine."""

import json
import os
import time

import kubernetes_validate
import nbformat
import pytest
import yaml
from conftest import IMAGE, REPOSITORY, command
from nbformat.v4 import new_code_cell, new_notebook

MANIFEST = REPOSITORY / "fmnist-lib" / "deploy" / "kubernetes-sweep.yaml"
OBJECTS = list(yaml.safe_load_all(MANIFEST.read_text()))
# No two trainings take the same time; all else is the same.
TIMES = {"seconds", "images_per_second", "ended"}
SWEEP = """
:dep fmnist-lib = { workspace = true }
use fmnist_lib::*;
let data = FashionMnist::load()?;
let results = Sweep::new("results").seeds(1..=2)
    .trial(Trial::of(two_layer(), FitConfig::default().epochs(10)).images(2_000))
    .trial(Trial::of(one_layer(), FitConfig::default().epochs(2)).images(2_000))
    .run(&data)?;
println!("{results}");
"""


@pytest.mark.parametrize("version", ["1.31", "1.37"])
def test_the_manifest_is_as_the_schema_wants_it(version):
    for one in OBJECTS:
        kubernetes_validate.validate(one, version, strict=True)


def test_what_is_misspelt_would_be_found():
    job = json.loads(json.dumps(OBJECTS[1]))
    job["spec"]["template"]["spec"]["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, "1.37", strict=True)


def pod(container, folder):
    """A container as the Job's pods are, with `folder` for the shared volume."""
    spec = OBJECTS[1]["spec"]["template"]["spec"]
    (one,) = spec["containers"]
    (mount,) = one["volumeMounts"]
    user = spec["securityContext"]
    assert one["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return container(
        "--user", f"{user['runAsUser']}:{user['runAsGroup']}", "--group-add", user["fsGroup"], "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--network", "none", "--memory", one["resources"]["limits"]["memory"][:-1],
        "--volume", f"{folder}:{mount['mountPath']}", "--workdir", one["workingDir"], IMAGE, *one["args"])


def volume(path):
    """As a cluster makes it for the group."""
    group = OBJECTS[1]["spec"]["template"]["spec"]["securityContext"]["fsGroup"]
    path.mkdir()
    cells = [new_code_cell(cell) for cell in SWEEP.strip().split("\nuse ", 1)]
    cells[1].source = "use " + cells[1].source
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "rust", "display_name": "Rust", "language": "rust"}
    nbformat.write(notebook, path / "sweep.ipynb")
    os.chown(path, 0, group)
    path.chmod(0o2775)
    return path


def ended(name):
    return int(command("docker", "wait", name).splitlines()[-1]), command("docker", "logs", name)


def results(folder):
    def comparable(value):
        if isinstance(value, dict):
            return {name: comparable(one) for name, one in value.items() if name not in TIMES}
        return [comparable(one) for one in value] if isinstance(value, list) else value

    return {path.name: comparable(json.loads(path.read_text())) for path in (folder / "results").glob("*.json")}


def test_a_pod_that_must_go_saves_and_the_next_ones_go_on(container, tmp_path):
    tmp_path.chmod(0o755)
    shared, alone = volume(tmp_path / "shared"), volume(tmp_path / "alone")
    first = pod(container, shared)
    grace = OBJECTS[1]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    while not (checkpoints := list(shared.glob("results/*.safetensors"))):
        assert command("docker", "inspect", "-f", "{{.State.Running}}", first) == "true", command("docker", "logs", first)
        time.sleep(0.02)
    command("docker", "stop", "-t", grace, first)
    status, said = ended(first)
    assert status == 143 and "terminated (SIGTERM): sweep.ipynb: cell 2 of 2" in said, said
    assert checkpoints[0].exists() and not list(shared.glob("results/*.lock"))

    # Two at once share the rest, beside one that has all of it to do.
    names = [pod(container, folder) for folder in (shared, shared, alone)]
    for name in names:
        status, said = ended(name)
        assert status == 0, said
    assert len(results(shared)) == 4 and results(shared) == results(alone)
    assert not [path for path in (shared / "results").iterdir() if path.suffix != ".json"]
