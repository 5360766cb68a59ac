"""The image under test, brought up by Docker Compose as a user would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from server import Server

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from ports import free_port  # noqa: F401, for the tests as well

REPOSITORY = Path(__file__).resolve().parents[3]
TOOLS = REPOSITORY / "target" / "image-test" / "docker"  # tools.sh makes it
IMAGE = os.environ.get("FMNIST_IMAGE", "fmnist-notebooks")
PROJECT = f"fmnist-test-{os.getpid()}"  # two runs on one machine leave each other alone
OWNER = 1234  # neither root nor 1000: the notebooks may belong to anybody


def command(*arguments, check=True, **options):
    """Runs a program; returns what it printed, both streams together."""
    result = subprocess.run([str(one) for one in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, check=False, **options)
    assert not check or result.returncode == 0, f"{arguments}:\n{result.stdout}"
    return result.stdout.strip()


class Stack:
    """A checkout with `docker-compose.yml` and `notebooks/`, owned by a user of its own."""

    def __init__(self, folder, owner=OWNER):
        self.folder, self.notebooks = folder, folder / "notebooks"
        self.project = f"{PROJECT}-{owner}"
        self.port = free_port()
        self.server = Server(self.port)
        shutil.copy(REPOSITORY / "docker-compose.yml", folder)
        shutil.copytree(REPOSITORY / "notebooks", self.notebooks)
        # The notebooks' quick setting, as a user would add a variable of his own.
        (folder / "docker-compose.override.yml").write_text(
            'services: {notebooks: {environment: {FMNIST_QUICK: "1"}}}\n')
        for path in [self.notebooks, *self.notebooks.rglob("*")]:
            os.chown(path, owner, owner)

    def compose(self, *arguments, check=True, **environment):
        settings = {"FMNIST_IMAGE": IMAGE, "FMNIST_PORT": self.port} | environment
        return command("docker", "--config", TOOLS, "compose", "-p", self.project, *arguments, cwd=self.folder, check=check,
                       env=os.environ | {name: str(value) for name, value in settings.items()})

    def up(self, **environment):
        self.compose("up", "-d", "--no-build", **environment)
        self.server.wait()

    def down(self, *options):
        self.compose("down", *options)

    def container(self):
        return self.compose("ps", "-q", "notebooks")


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("checkout"))
    stack.down("--volumes")
    stack.up()
    yield stack
    print(stack.compose("logs", check=False))
    stack.down("--volumes")


@pytest.fixture
def container():
    """Starts containers with `docker run`; they are gone after the test."""
    started = []

    def start(*arguments):
        started.append(command("docker", "run", "-d", *arguments))
        return started[-1]

    yield start
    for name in started:
        command("docker", "rm", "-f", "-v", name)
