"""An image that is published, which Compose pulls, and how the workflow publishes it."""

import os
import re
import shutil
import sys

import pytest
from conftest import PROJECT, REPOSITORY, TOOLS, Stack, command
from registry import DOCUMENTS, Registry

PUBLISH = REPOSITORY / ".ci" / "publish"
WORKFLOW = REPOSITORY / ".github" / "workflows" / "publish.yml"
NAME = "owner/fmnist-notebooks"
PROCESSORS = ["amd64", "arm64"]
# In place of the image: it is made and pushed in seconds, is healthy and says from where it came.
SMALL = r"""FROM debian:bookworm-slim AS debian
RUN printf '#!/bin/sh\n[ "$1" = tini ] || exit 0\ntrap exit TERM\nsleep infinity & wait\n' >/bin/as-owner.sh \
    && chmod +x /bin/as-owner.sh \
    && mkdir /small && cp -L --parents /bin/as-owner.sh /bin/sh /bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*') /small
FROM scratch
LABEL origin={origin}
HEALTHCHECK --interval=1s CMD ["as-owner.sh"]
COPY --from=debian /small /
"""


@pytest.fixture
def registry(tmp_path):
    registry = Registry(tmp_path)
    yield registry
    registry.stop()


@pytest.fixture
def checkout(tmp_path):
    """This checkout, but for the Dockerfile."""
    (tmp_path / "checkout").mkdir()
    checkout = Stack(tmp_path / "checkout")
    checkout.project = f"{PROJECT}-published"
    (checkout.folder / "Dockerfile").write_text(SMALL.format(origin="built"))
    yield checkout
    checkout.down("--volumes", "--rmi", "all")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The name that the engine has for an image to be published."""
    folder, name = tmp_path_factory.mktemp("small"), f"{PROJECT}-small"
    (folder / "Dockerfile").write_text(SMALL.format(origin="published"))
    # Without documents: the tests make them.
    command("docker", "build", "--tag", name, folder, env=os.environ | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})
    yield name
    command("docker", "rmi", "-f", name)


def publish(*arguments, program=PUBLISH, check=True):
    return command(program, *arguments, check=check, env=os.environ | {"DOCKER_CONFIG": str(TOOLS)})


def inspect(checkout, what):
    return command("docker", "inspect", "-f", what, checkout.container())


def test_compose_pulls_what_the_workflow_publishes(registry, checkout, small):
    name = f"{registry.address}/{NAME}"
    said = publish("join", name, "v1", *(registry.publish(NAME, small, processor) for processor in PROCESSORS))
    signed = said.splitlines()[-1]
    settings = {"FMNIST_IMAGE": f"{name}:v1"}
    checkout.compose("up", "-d", "--wait", **settings)
    assert inspect(checkout, "{{.Config.Labels.origin}} {{.State.Health.Status}}") == "published healthy"
    architecture = command("docker", "image", "inspect", "-f", "{{.Architecture}}", f"{name}:v1")
    assert architecture == command("docker", "version", "-f", "{{.Server.Arch}}")
    assert f"[{signed}]" == command("docker", "image", "inspect", "-f", "{{.RepoDigests}}", f"{name}:v1")

    registry.stop()
    checkout.down()
    checkout.compose("up", "-d", "--wait", **settings)
    assert inspect(checkout, "{{.Config.Labels.origin}}") == "published"


def test_compose_pulls_what_compose_pushes(registry, checkout):
    settings = {"FMNIST_IMAGE": f"{registry.address}/{NAME}:v1"}
    checkout.compose("build", **settings)
    checkout.compose("push", **settings)
    command("docker", "rmi", settings["FMNIST_IMAGE"])
    (checkout.folder / "Dockerfile").write_text(SMALL.format(origin="built-again"))
    checkout.compose("up", "-d", "--wait", **settings)
    assert inspect(checkout, "{{.Config.Labels.origin}}") == "built"


@pytest.mark.parametrize("documents, processors, missing", [
    (DOCUMENTS[1:], PROCESSORS, "the image for amd64 comes without a bill of materials (SBOM)"),
    (DOCUMENTS[:1], PROCESSORS, "the image for amd64 comes without a provenance"),
    (DOCUMENTS, ["amd64", "amd64"], "needs one image each for ['amd64', 'arm64']; these are for ['amd64', 'amd64']"),
])
def test_what_is_not_whole_is_not_named(registry, small, documents, processors, missing):
    digests = [registry.publish(NAME, small, processor, documents) for processor in processors]
    assert missing in publish("join", f"{registry.address}/{NAME}", "v1", *digests, check=False)
    assert registry.get(NAME, "tags/list").json()["tags"] == ["pushed"]


def test_an_image_that_the_registry_has_not_is_told(registry):
    digest = f"sha256:{64 * '0'}"
    said = publish("join", f"{registry.address}/{NAME}", "v1", digest, digest, check=False)
    assert f"{digest}: not found" in said and "Traceback" not in said, said


def test_without_settings_the_image_is_built(checkout):
    assert "fmnist-notebooks" in checkout.compose("config", "--images", FMNIST_IMAGE="").splitlines()
    # Another name without a registry stands for that one: a user of this machine may have it.
    settings = {"FMNIST_IMAGE": f"{PROJECT}-local"}
    checkout.compose("up", "-d", "--wait", **settings)
    assert inspect(checkout, "{{.Config.Labels.origin}}") == "built"


@pytest.mark.parametrize("reachable", [True, False], ids=["not published", "not reachable"])
def test_an_image_that_cannot_be_pulled_is_told(registry, checkout, reachable):
    settings = {"FMNIST_IMAGE": f"{registry.address}/{NAME}:v1"}
    reason = "manifest unknown" if reachable else "connection refused"
    if not reachable:
        registry.stop()
    for arguments in (["pull"], ["up", "-d", "--no-build"]):
        said = checkout.compose(*arguments, check=False, **settings)
        assert reason in said, said
        assert not checkout.container()
    assert "no such image" in said.lower(), said
    said = checkout.compose("up", "-d", "--wait", **settings)
    assert reason in said, said
    assert inspect(checkout, "{{.Config.Labels.origin}}") == "built"


def test_a_tag_names_the_version_of_the_checkout(tmp_path):
    (tmp_path / ".ci").mkdir()
    copy = shutil.copy(PUBLISH, tmp_path / ".ci")
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Not released yet\n")
    assert "v1.2.3, which Cargo.toml says" in publish("check", "v1.2.4", program=copy, check=False)
    assert "no section '## 1.2.3'" in publish("check", "v1.2.3", program=copy, check=False)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3\n")
    assert publish("check", "v1.2.3", program=copy) == ""


@pytest.mark.parametrize("schema, path", [
    ("vendor.github-workflows", WORKFLOW),
    ("custom.github-workflows-require-timeout", WORKFLOW),
    ("vendor.compose-spec", REPOSITORY / "docker-compose.yml"),
])
def test_files_of_other_programs_are_as_these_want_them(schema, path):
    command(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path)


def test_what_others_wrote_cannot_change_in_the_workflow():
    """A version of an action can be moved to other code, a commit cannot."""
    actions = re.findall(r"uses: (.*)", WORKFLOW.read_text())
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", action), action
