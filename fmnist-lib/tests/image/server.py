"""A Jupyter server seen from outside, as a browser sees it: HTTP, cookies, WebSockets."""

import json
import re
import time
import uuid
from collections import deque

import requests
import websocket

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Server:
    """The server at `http://localhost:PORT`, or below `base` there."""

    def __init__(self, port, token=None, base="", scheme="http", host="localhost"):
        self.port = port
        self.url = f"{scheme}://{host}:{port}{base}"
        self.http = requests.Session()
        if token:
            self.http.headers["Authorization"] = f"token {token}"

    def wait(self, seconds=60):
        """Waits until it answers; returns how long that took."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            try:
                if requests.get(f"{self.url}/api", timeout=5).ok:
                    return time.monotonic() - started
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise TimeoutError(f"{self.url} does not answer after {seconds} s")

    def request(self, method, path, **options):
        """A request as JupyterLab makes it: with the cookie against forged requests, and its twin."""
        if "_xsrf" not in self.http.cookies:
            self.http.get(f"{self.url}/lab", timeout=30)
        headers = {"X-XSRFToken": self.http.cookies.get("_xsrf", "")}
        response = self.http.request(method, self.url + path, headers=headers, timeout=120, **options)
        response.raise_for_status()
        return response.json() if response.content else None

    def contents(self, path):
        return self.request("GET", f"/api/contents/{path}")

    def stop_kernels(self):
        for session in self.request("GET", "/api/sessions"):
            self.request("DELETE", f"/api/sessions/{session['id']}")

    def kernel(self, notebook="test.ipynb", folder=""):
        return Kernel(self, notebook, folder)


class Kernel:
    """A Rust kernel, started for a notebook."""

    def __init__(self, server, notebook, folder):
        self.server = server
        path = f"{folder}/{uuid.uuid4()}-{notebook}".lstrip("/")
        body = {"kernel": {"name": "rust"}, "name": notebook, "path": path, "type": "notebook"}
        self.session = server.request("POST", "/api/sessions", json=body)
        self.id = self.session["kernel"]["id"]
        self.socket = None
        self.reconnect()

    def reconnect(self):
        """Connects anew, as JupyterLab does after a restart."""
        server = self.server
        if self.socket:
            self.socket.close()
        self.unread = deque()
        cookie = "; ".join(f"{name}={value}" for name, value in server.http.cookies.items())
        token = {name: value for name, value in server.http.headers.items() if name == "Authorization"}
        self.socket = websocket.create_connection(
            f"{server.url.replace('http', 'ws', 1)}/api/kernels/{self.id}/channels", cookie=cookie, header=token, timeout=300)

    def send(self, code):
        return self.send_message("execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True})

    def send_message(self, kind, content):
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "username": "", "session": "s", "version": "5.3",
                  "date": ""}
        self.socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                                     "channel": "shell", "buffers": []}))
        return header["msg_id"]

    def run(self, code):
        """Runs a cell and returns what it gave."""
        return self.wait(self.send(code))

    def wait(self, request, until=None):
        """What a cell gave when it has ended or when `until`, called with what there is, is true."""
        started, result = time.monotonic(), Result()
        others = []  # what belongs to cells that are waited for later
        while not (result.status and result.idle or until and until(result)):
            message = self.unread.popleft() if self.unread else json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") == request:
                result.add(message["msg_type"], message["content"], time.monotonic() - started)
            else:
                others.append(message)
        self.unread.extendleft(reversed(others))
        result.seconds = time.monotonic() - started
        return result

    def ask(self, kind, **content):
        """The answer to another request on the shell channel."""
        request = self.send_message(kind, content)
        while True:
            message = json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") == request and message["msg_type"].endswith("_reply"):
                return message["content"]

    def interrupt(self):
        self.server.request("POST", f"/api/kernels/{self.id}/interrupt")

    def restart(self):
        self.server.request("POST", f"/api/kernels/{self.id}/restart")
        self.reconnect()

    def stop(self):
        self.socket.close()
        self.server.request("DELETE", f"/api/sessions/{self.session['id']}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Result:
    """What a cell gave."""

    def __init__(self):
        self.stdout, self.stderr, self.error, self.data = "", "", "", {}
        self.shown = []  # what was displayed and replaced while it ran: (seconds, id, data by MIME type)
        self.idle, self.status = False, None
        self.count, self.seconds = None, None

    def add(self, kind, content, seconds):
        if kind == "stream":
            setattr(self, content["name"], getattr(self, content["name"]) + content["text"])
        elif kind == "error":
            self.error += COLOUR.sub("", "\n".join(content["traceback"]))
        elif kind == "execute_result":
            self.data |= content["data"]
        elif kind in ("display_data", "update_display_data"):
            self.shown.append((seconds, content.get("transient", {}).get("display_id"), content["data"]))
        elif kind == "execute_reply":
            self.status = content["status"]
            self.count = content.get("execution_count")
        elif kind == "status" and content["execution_state"] == "idle":
            self.idle = True

    def expect(self):
        """Itself, unless the cell failed."""
        assert self.status == "ok" and not self.error, self.error + self.stderr
        return self
