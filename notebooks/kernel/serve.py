"""JupyterLab with this project's defaults: what `start.sh` serves the notebooks with.

serve.py [--check] [--hub] [JUPYTER OPTION...]. With `--check` it only looks whether it could serve, with `--hub` it
serves one user of a JupyterHub.

The defaults are those of a class, below all that Jupyter reads: whatever a user sets, on the command line,
in the environment or in a configuration file, wins. (Jupyter reads a configuration file of the virtual
environment after the user's own, so defaults in such a file would win over the user's.)
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import folders
import hub
from contents import Contents
from jupyter_server import serverapp
from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyterlab.labapp import LabApp
from tornado.netutil import bind_sockets
from traitlets import default
from traitlets.config import Config

KERNEL = Path(__file__).resolve().parent
# Defaults of other classes than the server's own.
DEFAULTS = {"KernelSpecManager": {"ensure_native_kernel": False}, "MultiKernelManager": {"default_kernel_name": "rust"},
            # Of what a cell prints, a server drops all beyond this; the relay limits it already.
            "ZMQChannelsWebsocketConnection": {"iopub_data_rate_limit": 1e8}}  # bytes a second
WILDCARDS = ("", *serverapp.WILDCARD_IPS)
START = "00-start.md"


def work_folder():
    """The notebooks that are served where nobody names a folder."""
    return os.environ.get("FMNIST_WORK_DIR") or str(KERNEL.parent)


def die(message):
    sys.exit(f"start.sh: {message}")


class ServerApp(serverapp.ServerApp):
    """Jupyter's server with other defaults."""

    only_check = for_hub = False
    port_retries_default_value = 0  # the port that was asked for, or none

    @default("ip")
    def _default_ip(self):
        return os.environ.get("FMNIST_ADDRESS") or "127.0.0.1"

    @default("port")
    def _port_default(self):
        text = os.environ.get("FMNIST_PORT") or super()._port_default()
        try:
            return int(text)
        except ValueError:
            die(f'"{text}" is not a port: give 1 to 65535')

    @default("root_dir")
    def _default_root_dir(self):
        return super()._default_root_dir() if self.file_to_run else work_folder()

    @default("contents_manager_class")
    def _default_contents_manager_class(self):
        return Contents

    @default("allow_root")
    def _default_allow_root(self):
        return os.geteuid() == 0

    @default("allow_remote_access")
    def _default_allow_remote(self):
        # Without a token, only the name in the address tells the user's own page from another site's
        # whose name has been made to point here (DNS rebinding).
        return self.identity_provider.auth_enabled and self.serves_others()

    def serves_others(self):
        """Whether another machine can reach the address at which this server listens."""
        return not self.sock and super()._default_allow_remote()

    def init_server_extensions(self):
        super().init_server_extensions()
        self.config.ServerApp.setdefault("open_browser", False)  # JupyterLab would open one

    def init_configurables(self):
        # By now all configuration has been read, JupyterLab's own as well.
        defaults = Config(DEFAULTS)
        defaults.merge(self.config)
        self.config = defaults
        super().init_configurables()
        self.no_browser_open_file = not self.open_browser  # nobody else could open it in a container
        self.check()
        if self.default_url == LabApp.default_url.default_value and Path(self.root_dir, START).is_file():
            self.default_url += f"/tree/{START}"
        if self.identity_provider_class is PasswordIdentityProvider:
            self.settle_token()
        if self.only_check:
            sys.exit()

    def settle_token(self):
        """Without a token or password from anybody, Jupyter has made a token. The server is open only where
        nobody but this machine reaches it, or where FMNIST_OPEN says so."""
        provider = self.identity_provider
        try:
            token = provider.token
        except OSError as error:
            die(f"the file JUPYTER_TOKEN_FILE cannot be read: {error}")
        if provider.token_generated:
            if os.environ.get("FMNIST_OPEN") == "1" or not self.serves_others():
                provider.token, provider.token_generated = "", False
        elif self.token_is_from_file():
            # Jupyter takes the line end for a part of the token, and an empty file for the wish for none.
            provider.token = token.strip() or die("the file JUPYTER_TOKEN_FILE is empty: put a token into it")

    def token_is_from_file(self):
        set_elsewhere = any("token" in self.config[name] for name in ("IdentityProvider", "PasswordIdentityProvider"))
        return os.environ.get("JUPYTER_TOKEN_FILE") and not os.environ.get("JUPYTER_TOKEN") and not set_elsewhere

    def check(self):
        """Ends where it could not serve or nothing could be saved, with what to do."""
        if self.root_dir == work_folder():
            folders.check_work(self.root_dir)
        if self.sock:
            return
        if not 0 <= self.port < 2**16:
            die(f'"{self.port}" is not a port: give 1 to 65535')
        try:
            for socket in bind_sockets(self.port, self.ip):
                socket.close()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                die(f"cannot listen on port {self.port} of {self.ip or 'this machine'}: {error.strerror}")
            if not self.port_retries:
                die(f"port {self.port} is in use: stop what listens there, or choose another with --port or FMNIST_PORT")

    @property
    def address(self):
        """What to open in a browser."""
        parts = urlsplit(self.public_url)
        if not self.sock and not self.custom_display_url and self.ip in (*WILDCARDS, "127.0.0.1"):
            parts = parts._replace(netloc=f"localhost:{self.port}")
        return parts.geturl()

    # Jupyter itself prints a container's own name, which nothing outside of the container knows.
    display_url = connect_url = address

    def start_app(self):
        super().start_app()
        self.io_loop.add_callback(self.listening)

    def listening(self):
        if pool := os.environ.get("FMNIST_POOL"):
            Path(pool).parent.mkdir(parents=True, exist_ok=True)
            subprocess.Popen([sys.executable, KERNEL / "pool.py"], cwd=self.kernels_folder())
        if self.for_hub:
            hub.stay_awake(self)
        greeting = hub.greeting() if self.for_hub else f"JupyterLab at {self.address} (Ctrl-C stops it)"
        print(f"start.sh: {greeting}", file=sys.stderr, flush=True)

    def kernels_folder(self):
        """Where most kernels start: in the folder of the notebooks, though the list of files may begin above it."""
        notebooks = Path(work_folder()).resolve()
        return notebooks if notebooks.is_relative_to(Path(self.root_dir).resolve()) else self.root_dir

    def write_server_info_file(self):
        """Also tells healthy.py where the server is."""
        super().write_server_info_file()
        if path := os.environ.get("FMNIST_SERVER_FILE"):
            host = "127.0.0.1" if self.ip in WILDCARDS else self.ip
            where = {"sock": self.sock, "host": host, "port": self.port, "secure": bool(self.certfile)}
            Path(path).write_text(json.dumps(where | {"path": f"{self.base_url}api"}))


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--check"]:
        ServerApp.only_check = True
        del arguments[0]
    if arguments[:1] == ["--hub"]:
        ServerApp.for_hub = True
        del arguments[0]
    folders.check_own()
    application = hub.application(die) if ServerApp.for_hub else LabApp
    application.serverapp_class = ServerApp
    try:
        application.launch_instance(arguments)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
