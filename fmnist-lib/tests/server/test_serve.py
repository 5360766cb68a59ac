"""Who may use the server that notebooks/kernel/serve.py starts, whatever a user sets in whatever spelling.

    notebooks/start.sh python fmnist-lib/tests/server/test_serve.py

Each case starts a server, as `start.sh` does, and asks it over HTTP. What the image adds is that it listens
at all addresses; that is IMAGE here. fmnist-lib/tests/image/test_security.py asks the image itself.
"""

import contextlib
import http.cookiejar
import json
import os
import re
import signal
import socket
import stat
import sys
import tempfile
import time
import traceback
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from unittest import mock

KERNEL = Path(__file__).resolve().parents[3] / "notebooks" / "kernel"
sys.path[:0] = [str(KERNEL), str(Path(__file__).resolve().parents[1])]
import folders
import healthy
import serve
from jupyter_server.auth import passwd
from ports import free_port

IMAGE = {"FMNIST_ADDRESS": "0.0.0.0"}
COMPOSE = IMAGE | {"FMNIST_OPEN": "1", "JUPYTER_TOKEN": ""}
SECRET = "opensesame"
HASH = passwd(SECRET, algorithm="sha1")
STRANGER = 1234
PATIENCE = 60  # seconds for a start, on a busy machine


class Server:
    """A server in a process of its own, with a home and a folder of notebooks that hold `files`."""

    def __init__(self, *arguments, environment=None, files=None, port=None, base="/", check=False, user=None, main=serve.main):
        self.port, self.base, self.user, self.main = port or free_port(), base, user, main
        self.arguments = ["--check"] * check + list(arguments)
        if port is None:
            self.arguments.append(f"--port={self.port}")
        self.folder = tempfile.TemporaryDirectory(prefix="serve-", ignore_cleanup_errors=True)
        os.chmod(self.folder.name, 0o777)
        self.home = Path(self.folder.name, "home")
        self.work = Path(self.folder.name, "work")
        for folder in (self.home, self.work):
            folder.mkdir()
            folder.chmod(0o777)
        for name, text in (files or {}).items():
            path = self.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        ours = {"HOME": str(self.home), "FMNIST_WORK_DIR": str(self.work),
                "FMNIST_SERVER_FILE": str(self.home / "server.json")}
        given = {name: value.format(home=self.home) for name, value in (environment or {}).items()}
        theirs = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "FMNIST", "XDG"))}
        self.environment = theirs | ours | given
        self.log = Path(self.folder.name, "log")

    def start(self):
        """Forks, so that Jupyter is imported once for all servers."""
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.setsid()  # with what it starts
                with open(self.log, "w") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                if self.user and os.getuid() == 0:  # who may write anywhere
                    os.setgroups([])
                    os.setgid(self.user)
                    os.setuid(self.user)
                os.environ.clear()
                os.environ.update(self.environment)
                os.chdir(self.home)
                sys.argv = ["serve.py", *(one.format(home=self.home) for one in self.arguments)]
                self.main()
                status = 0
            except SystemExit as end:
                if isinstance(end.code, str):
                    print(end.code, file=sys.stderr)
                status = 1 if isinstance(end.code, str) else end.code or 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        return self

    def __enter__(self):
        self.start()
        deadline = time.monotonic() + PATIENCE
        while not self.log.exists() or "start.sh: JupyterLab at" not in self.log.read_text():
            ended, _ = os.waitpid(self.pid, os.WNOHANG)
            if ended or time.monotonic() > deadline:
                self.pid = None if ended else self.pid
                raise AssertionError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.folder.cleanup()

    def end(self):
        """What a server says that ends by itself."""
        _, status = os.waitpid(self.start().pid, 0)
        said = self.log.read_text()
        self.folder.cleanup()
        return os.waitstatus_to_exitcode(status), said

    def get(self, path="api/contents", token=None, host="localhost"):
        """The status of an answer."""
        headers = {"Host": host} | ({"Authorization": f"token {token}"} if token else {})
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.base}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code

    def printed_address(self):
        """The address that the user is told last."""
        return re.findall(r"start\.sh: JupyterLab at (\S+)", self.log.read_text())[-1]


class Access(unittest.TestCase):
    """Open, or not."""

    def open(self, *arguments, **options):
        with self.subTest(arguments=arguments, **options), Server(*arguments, **options) as server:
            self.assertEqual(server.get(), 200)
            self.assertEqual(server.get(host="evil.example"), 403, "DNS rebinding")
            self.assertEqual(server.printed_address(), f"http://localhost:{server.port}/lab")

    def asks_for(self, token, *arguments, **options):
        with self.subTest(arguments=arguments, **options), Server(*arguments, **options) as server:
            self.assertEqual([server.get(), server.get(token="wrong"), server.get(token=token)], [403, 403, 200])
            self.assertNotIn(token, server.log.read_text())

    def asks_for_a_random_token(self, *arguments, **options):
        with self.subTest(arguments=arguments, **options), Server(*arguments, **options) as server:
            self.assertEqual([server.get(), server.get(token="wrong")], [403, 403])
            address = server.printed_address()
            self.assertRegex(address, rf"^http://localhost:{server.port}/lab\?token=[0-9a-f]{{48}}$")
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                self.assertIn("/lab", answer.url)
                self.assertNotIn("/login", answer.url)
            token = address.split("=")[1]
            self.assertEqual(server.get(token=token), 200)

    def asks_for_the_password(self, *arguments, **options):
        with self.subTest(arguments=arguments, **options), Server(*arguments, **options) as server:
            self.assertEqual(server.get(), 403)
            jar = http.cookiejar.CookieJar()
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
            page = f"http://127.0.0.1:{server.port}/login"
            browser.open(page, timeout=PATIENCE).close()
            form = {"_xsrf": next(one.value for one in jar if one.name == "_xsrf"), "password": SECRET}
            browser.open(page, urllib.parse.urlencode(form).encode(), timeout=PATIENCE).close()
            browser.open(f"http://127.0.0.1:{server.port}/api/contents", timeout=PATIENCE).close()

    def test_nobody_said_a_word(self):
        self.open()
        self.open("--ip=127.0.0.1")
        self.open("--ip", "localhost")
        self.asks_for_a_random_token(environment=IMAGE)
        for every in ("--ip=0.0.0.0", "--ServerApp.ip=*", "--NotebookApp.ip=0.0.0.0"):
            self.asks_for_a_random_token(every)
        self.asks_for_a_random_token(files={".jupyter/jupyter_server_config.py": "c.ServerApp.ip = '0.0.0.0'"})
        self.asks_for_a_random_token(environment=IMAGE | {"JUPYTER_TOKEN": ""})
        for unknown in ("0", "no", ""):
            self.asks_for_a_random_token(environment=IMAGE | {"FMNIST_OPEN": unknown})

    def test_somebody_said_that_it_is_open(self):
        self.open(environment=COMPOSE)
        for empty in ("--NotebookApp.token=", "--NotebookApp.token=''", "--ServerApp.token=", "--IdentityProvider.token="):
            self.open(empty, environment=IMAGE)
        self.open(files={".jupyter/jupyter_server_config.py": "c.ServerApp.token = ''"}, environment=IMAGE)

    def test_a_token_in_any_spelling(self):
        """Even where it would be open without one."""
        for name in ("NotebookApp", "ServerApp", "IdentityProvider", "PasswordIdentityProvider"):
            self.asks_for(SECRET, f"--{name}.token={SECRET}", environment=COMPOSE)
        self.asks_for(SECRET, "--IdentityProvider.token", SECRET)
        self.asks_for(SECRET, f"--NotebookApp.token={SECRET}", "--ip=0.0.0.0")
        self.asks_for(SECRET, environment=COMPOSE | {"JUPYTER_TOKEN": SECRET})
        self.asks_for(SECRET, environment={"JUPYTER_TOKEN": SECRET})
        for end in ("", "\n"):
            self.asks_for(SECRET, environment=COMPOSE | {"JUPYTER_TOKEN_FILE": "{home}/token"},
                          files={"token": SECRET + end})

    def test_a_token_in_any_configuration_file(self):
        files = {
            ".jupyter/jupyter_config.py": f"c.IdentityProvider.token = '{SECRET}'",
            ".jupyter/jupyter_server_config.py": f"c.ServerApp.token = '{SECRET}'",
            ".jupyter/jupyter_server_config.json": json.dumps({"IdentityProvider": {"token": SECRET}}),
            ".jupyter/jupyter_lab_config.py": f"c.NotebookApp.token = '{SECRET}'",
        }
        for name, text in files.items():
            self.asks_for(SECRET, files={name: text}, environment=COMPOSE)
        self.asks_for(SECRET, "--config={home}/mine.py", files={"mine.py": f"c.ServerApp.token = '{SECRET}'"})
        elsewhere = {"JUPYTER_CONFIG_DIR": "{home}/elsewhere"}
        self.asks_for(SECRET, environment=COMPOSE | elsewhere, files={
            "elsewhere/jupyter_server_config.py": f"c.IdentityProvider.token = '{SECRET}'"})

    def test_a_password(self):
        for name in ("ServerApp.password", "NotebookApp.password", "PasswordIdentityProvider.hashed_password"):
            self.asks_for_the_password(f"--{name}={HASH}", environment=COMPOSE)
        text = json.dumps({"IdentityProvider": {"hashed_password": HASH}})
        self.asks_for_the_password(environment=COMPOSE, files={".jupyter/jupyter_server_config.json": text})

    def test_a_token_file_that_holds_none(self):
        status, said = Server(environment=COMPOSE | {"JUPYTER_TOKEN_FILE": "{home}/token"}, files={"token": "\n"}).end()
        self.assertEqual(status, 1)
        self.assertIn("JUPYTER_TOKEN_FILE is empty: put a token into it", said)
        status, said = Server(environment=COMPOSE | {"JUPYTER_TOKEN_FILE": "{home}/none"}).end()
        self.assertEqual(status, 1)
        self.assertIn("JUPYTER_TOKEN_FILE cannot be read", said)
        self.assertNotIn("Traceback", said)

    def test_a_foreign_host_name(self):
        """Refused where the server is open (see `open`), unless the user says otherwise; else the token decides."""
        for name in ("ServerApp", "NotebookApp"):
            with Server(f"--{name}.allow_remote_access=True", environment=COMPOSE) as server:
                self.assertEqual(server.get(host="mine.example"), 200)
        with Server(environment=IMAGE | {"JUPYTER_TOKEN": SECRET}) as server:
            self.assertEqual(server.get(host="mine.example"), 403)
            self.assertEqual(server.get(host="mine.example", token=SECRET), 200)
        with Server("--ServerApp.allow_remote_access=False", environment=IMAGE | {"JUPYTER_TOKEN": SECRET}) as server:
            self.assertEqual(server.get(host="mine.example", token=SECRET), 403)


class Settings(unittest.TestCase):
    """The other defaults give way as well."""

    def test_the_port(self):
        port = free_port()
        for arguments, options in [
            (["--port", str(port)], {}),
            ([f"--ServerApp.port={port}"], {"environment": {"FMNIST_PORT": "1"}}),
            ([f"--NotebookApp.port={port}"], {}),
            ([], {"environment": {"FMNIST_PORT": str(port)}}),
            ([], {"environment": {"JUPYTER_PORT": str(port)}}),
            ([], {"files": {".jupyter/jupyter_server_config.py": f"c.ServerApp.port = {port}"}}),
            ([], {"files": {".jupyter/jupyter_lab_config.py": f"c.ServerApp.port = {port}"}}),
        ]:
            with self.subTest(arguments=arguments, **options), Server(*arguments, port=port, **options) as server:
                self.assertEqual(server.get(), 200)
                self.assertEqual(server.printed_address(), f"http://localhost:{port}/lab")

    def test_the_start_page_is_first_and_the_machinery_out_of_sight(self):
        names = ["00-start.md", "start.sh", "kernel/relay.py", "own/kernel/relay.py"]
        folder = {"files": {f"mine/{name}": "" for name in names}}
        start = "/lab/tree/00-start.md"
        for arguments, page in [([], start), (["--LabApp.default_url=/tree"], "/tree")]:
            with self.subTest(arguments=arguments), Server("--notebook-dir={home}/mine", *arguments, **folder) as server:
                self.assertEqual(urllib.parse.urlsplit(server.printed_address()).path, page)
                for inside, shown in [("", {"00-start.md", "own"}), ("/own", {"kernel"})]:
                    address = f"http://127.0.0.1:{server.port}/api/contents{inside}"
                    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                        self.assertEqual({one["name"] for one in json.load(answer)["content"]}, shown)

    def test_the_folder(self):
        """`own.txt` lies in the user's folder, not in the notebooks'."""
        files = {"mine/own.txt": ""}
        for arguments, more in [
            (["--notebook-dir={home}/mine"], {}),
            (["--ServerApp.root_dir={home}/mine"], {}),
            (["--ServerApp.notebook_dir={home}/mine"], {}),
            (["--NotebookApp.notebook_dir={home}/mine"], {}),
            ([], {".jupyter/jupyter_server_config.py": "import os; c.ServerApp.root_dir = os.environ['HOME'] + '/mine'"}),
            ([], {".jupyter/jupyter_lab_config.py": "import os; c.ServerApp.root_dir = os.environ['HOME'] + '/mine'"}),
        ]:
            with self.subTest(arguments=arguments, more=more), Server(*arguments, files=files | more) as server:
                self.assertEqual(server.get("api/contents/own.txt"), 200)
        with Server() as server:
            (server.work / "notebook.txt").touch()
            self.assertEqual(server.get("api/contents/notebook.txt"), 200)

    def test_the_kernel(self):
        def default_kernel(server):
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/kernelspecs", timeout=PATIENCE) as answer:
                return json.load(answer)["default"]

        with Server() as server:
            self.assertEqual(default_kernel(server), "rust")
        with Server("--MultiKernelManager.default_kernel_name=mine") as server:
            self.assertEqual(default_kernel(server), "mine")


def check_folders():
    folders.check_own()
    folders.check_work(serve.work_folder())


class Refusals(unittest.TestCase):
    """What cannot be done is said in a line, before the long part of the set-up."""

    def says(self, text, *arguments, **options):
        for check in (True, False):
            status, said = Server(*arguments, check=check, **options).end()
            self.assertEqual(status, 1, said)
            self.assertIn(text, said)
            self.assertNotIn("Traceback", said)

    def test_all_is_well(self):
        status, said = Server(check=True).end()
        self.assertEqual((status, "JupyterLab at" in said), (0, False), said)

    def test_ports_and_addresses(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            self.says(f"port {port} is in use: stop what listens there, or choose another with --port", port=port,
                      environment={"FMNIST_PORT": str(port)})
        self.says('"70000" is not a port: give 1 to 65535', "--ServerApp.port=70000", port=1)
        self.says('"web" is not a port: give 1 to 65535', port=1, environment={"FMNIST_PORT": "web"})
        self.says("of 192.0.2.1: Cannot assign requested address", "--ip=192.0.2.1")
        self.says("of there.invalid: ", "--ip=there.invalid")

    def test_a_folder_that_is_not_there(self):
        self.says("nothing can be saved in /nowhere: No such file or directory", environment={"FMNIST_WORK_DIR": "/nowhere"})

    def test_folders_of_somebody_else(self):
        for folder, words in [("work", "nothing can be saved in"), ("home", "nothing can be written in")]:
            with self.subTest(folder=folder):
                # Not the whole server: its modules may lie in a home that is closed to a stranger.
                server = Server(user=STRANGER, main=check_folders)
                path = server.home.parent / folder
                path.chmod(0o555)
                owner = os.getuid(), os.getgid()
                status, said = server.end()
                self.assertEqual(status, 1, said)
                self.assertIn(f"{words} {path}", said)
                self.assertIn("it belongs to user {}:{}, and this is user".format(*owner), said)
                self.assertIn("docker run --user {}:{}".format(*owner), said)
                self.assertTrue(all(line.startswith("start.sh: ") for line in said.splitlines()[-3:]), said)


class Health(unittest.TestCase):
    """What Docker's HEALTHCHECK runs follows the server wherever it went."""

    def status(self, server):
        with mock.patch.dict(os.environ, server.environment), self.assertRaises(SystemExit) as end, \
                contextlib.redirect_stdout(None):
            healthy.main()
        return int(end.exception.code)

    def test_healthy(self):
        for arguments, options in [
            ([], {"environment": COMPOSE}),
            ([], {"environment": IMAGE}),
            (["--ServerApp.base_url=/nb/"], {"base": "/nb/", "environment": COMPOSE}),
            (["--ip=127.0.0.2"], {"environment": IMAGE | {"JUPYTER_TOKEN": SECRET}}),
            (["--ServerApp.local_hostnames=mine.example"], {"environment": COMPOSE}),
        ]:
            with self.subTest(arguments=arguments, **options), Server(*arguments, **options) as server:
                self.assertEqual(self.status(server), 0)
                os.kill(server.pid, signal.SIGSTOP)
                try:
                    with mock.patch("healthy.PATIENCE", 0.5):
                        self.assertEqual(self.status(server), 1)
                finally:
                    os.kill(server.pid, signal.SIGCONT)

    def test_a_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder, Server(f"--sock={folder}/lab", port=8888) as server:
            self.assertTrue(stat.S_ISSOCK(os.stat(f"{folder}/lab").st_mode))
            self.assertEqual(self.status(server), 0)

    def test_no_server(self):
        self.assertEqual(self.status(Server()), 1)


if __name__ == "__main__":
    unittest.main()
