"""A class as docker-compose.hub.yml starts it, and its students."""

import os
import shutil
import time

import requests
from conftest import IMAGE, PROJECT, REPOSITORY, TOOLS, command, free_port
from server import Server

HUB_IMAGE = f"{IMAGE.split('@')[0]}-hub"  # run.sh builds it
PASSWORD = "open sesame"
TEACHER_PASSWORD = "a much longer password than that of the class"
PATIENCE = 120  # seconds


class Classroom:
    """A hub of its own, on a port of its own; `more` is further configuration of JupyterHub."""

    def __init__(self, folder, name="class", more="", scheme="http", domain="", **settings):
        self.folder, self.project, self.port = folder, f"{PROJECT}-{name}", free_port()
        self.scheme, self.domain = scheme, domain
        self.url = f"{scheme}://{domain or 'localhost'}:{self.port}"
        shutil.copy(REPOSITORY / "docker-compose.hub.yml", folder)
        (folder / "more.py").write_text(more)
        self.settings = {
            "FMNIST_IMAGE": IMAGE, "FMNIST_HUB_IMAGE": HUB_IMAGE, "FMNIST_HUB_PORT": self.port,
            "FMNIST_HUB_ADDRESS": "127.0.0.1", "FMNIST_HUB_PASSWORD": PASSWORD, "FMNIST_HUB_CONFIG": folder / "more.py",
            "FMNIST_HUB_DOMAIN": self.url if domain else "",
        } | settings

    def compose(self, *arguments, check=True, **settings):
        environment = os.environ | {name: str(value) for name, value in (self.settings | settings).items()}
        return command("docker", "--config", TOOLS, "compose", "-p", self.project, "-f", "docker-compose.hub.yml", *arguments,
                       cwd=self.folder, check=check, env=environment)

    def up(self, **settings):
        self.compose("up", "-d", "--no-build", **settings)
        wait_until(lambda: answers(f"{self.url}/hub/api"), "the hub answers")

    def down(self):
        self.compose("down", "--volumes")
        names = command("docker", "volume", "ls", "-q", "--filter", f"name={self.project}-").split()
        if names:
            command("docker", "volume", "rm", *names)

    def host(self, name):
        """Where the server of this student is found."""
        return f"{name}.{self.domain}" if self.domain else "localhost"

    def student(self, name):
        return Student(self, name)


class Student:
    """One who has logged in with the class's password, by the form, and whose server has started, unless that is not wanted."""

    def __init__(self, classroom, name, password=PASSWORD, start=True):
        self.classroom, self.name = classroom, name
        self.container = f"{classroom.project}-{name}"
        self.http = requests.Session()
        answer = self.login(password)
        if answer.status_code == 403:
            raise PermissionError(answer.text)
        answer.raise_for_status()
        token = self.api("POST", f"users/{name}/tokens", json={"note": "test"}).json()["token"]
        self.server = Server(classroom.port, token=token, base=f"/user/{name}", scheme=classroom.scheme, host=classroom.host(name))
        if start:
            self.start()

    def login(self, password):
        self.http.get(f"{self.classroom.url}/hub/login", timeout=30)
        form = {"username": self.name, "password": password, "_xsrf": self.xsrf()}
        return self.http.post(f"{self.classroom.url}/hub/login?next=%2Fhub%2Fhome", data=form, timeout=PATIENCE)

    def xsrf(self):
        return next(cookie.value for cookie in self.http.cookies if cookie.name == "_xsrf" and cookie.path == "/hub/")

    def api(self, method, path, **options):
        """A request to the hub, with the cookies of the student's browser."""
        headers = {"X-XSRFToken": self.xsrf(), "Referer": f"{self.classroom.url}/hub/home"}
        return self.http.request(method, f"{self.classroom.url}/hub/api/{path}", headers=headers, timeout=60, **options)

    def running(self):
        server = self.api("GET", f"users/{self.name}").json()["servers"].get("")
        return bool(server and server["ready"])

    def start(self):
        self.api("POST", f"users/{self.name}/server")
        wait_until(self.running, f"the server of {self.name} is there")

    def stop(self):
        self.api("DELETE", f"users/{self.name}/server")
        wait_until(lambda: not self.api("GET", f"users/{self.name}").json()["servers"], f"the server of {self.name} has ended")

    def kernel(self):
        return self.server.kernel()

    def save(self, name, text):
        model = {"type": "file", "format": "text", "content": text}
        self.server.request("PUT", f"/api/contents/{name}", json=model)

    def files(self):
        return {one["name"] for one in self.server.contents("")["content"]}

    def programs(self):
        """The command lines that run in the container."""
        return command("docker", "top", self.container, "-eo", "pid,args").splitlines()[1:]


def answers(url):
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def wait_until(condition, what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)
