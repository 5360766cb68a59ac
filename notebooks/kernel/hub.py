"""The server that JupyterHub starts for one user: the hub says where it listens, and who may use it."""

import os
from datetime import datetime, timezone
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("hub.txt")
OFTEN = 10_000  # milliseconds


def application(die):
    """JupyterHub's own, which has each request ask the hub. Its settings win over all others."""
    try:
        from jupyterhub.singleuser.extension import JupyterHubSingleUser
    except ImportError:
        die(f"JupyterHub's package is missing: notebooks/start.sh python -m pip install --requirement {REQUIREMENTS}")
    return JupyterHubSingleUser


def greeting():
    return f"JupyterLab for {os.environ.get('JUPYTERHUB_USER') or 'a user'} of JupyterHub"


def stay_awake(server):
    """A cell that runs is work, though it prints nothing: a hub ends servers where nobody works."""
    from tornado.ioloop import PeriodicCallback

    def look():
        manager = server.kernel_manager
        if any(getattr(manager.get_kernel(one), "execution_state", "") == "busy" for one in manager.list_kernel_ids()):
            server.web_app.settings["last_activity_times"]["busy kernels"] = datetime.now(timezone.utc)

    PeriodicCallback(look, OFTEN).start()
