"""A class on one machine: what docker-compose.hub.yml starts JupyterHub with.

Each student's server is a container with limits of its own, and a volume for the student's home. The settings come from
the environment; docker-compose.hub.yml lists them.
"""

import os
import sys
from hmac import compare_digest
from pathlib import Path

from jupyterhub.auth import Authenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from jupyterhub.traitlets import ByteSpecification
from tornado.web import HTTPError
from traitlets import TraitError

c = get_config()  # noqa: F821, JupyterHub defines it
PROJECT = os.environ["COMPOSE_PROJECT_NAME"]
MORE = "/opt/hub/more.py"
CERTIFICATE, KEY = "/certificates/fullchain.pem", "/certificates/privkey.pem"


def setting(name, default=""):
    return os.environ.get(name) or default


def names(setting_name):
    return set(setting(setting_name).replace(",", " ").split())


def number(name, default, read=int, kind="a whole number"):
    text = setting(name, default)
    try:
        return read(text)
    except (ValueError, TraitError):
        sys.exit(f"{name}={text}: give {kind}")


def size(text):
    return ByteSpecification().validate(None, text.upper())


# --- Who may log in -------------------------------------------------------------------------------

students, teachers = names("FMNIST_HUB_STUDENTS"), names("FMNIST_HUB_TEACHERS")


class ClassAuthenticator(SharedPasswordAuthenticator):
    """The class's password, and another for teachers. JupyterHub's own asks nobody but admins for that other one."""

    def check_allow_config(self):
        Authenticator.check_allow_config(self)
        if teachers and not self.admin_password:
            self.log.warning("FMNIST_HUB_TEACHERS: without FMNIST_HUB_TEACHER_PASSWORD, no teacher can log in")

    async def authenticate(self, handler, data):
        name = self.normalize_username(data["username"])
        guarded = {self.normalize_username(one) for one in teachers} | self.admin_users
        password = self.admin_password if name in guarded else self.user_password
        if password and compare_digest(data["password"].encode(), password.encode()):
            return name


c.JupyterHub.authenticator_class = setting("FMNIST_HUB_AUTHENTICATOR", "shared-password")
if c.JupyterHub.authenticator_class == "shared-password":
    c.JupyterHub.authenticator_class = ClassAuthenticator
    password = setting("FMNIST_HUB_PASSWORD") or sys.exit("FMNIST_HUB_PASSWORD: the class needs a password, of 8 characters or more")
    c.SharedPasswordAuthenticator.user_password = password
    c.SharedPasswordAuthenticator.admin_password = setting("FMNIST_HUB_TEACHER_PASSWORD") or None
    c.Authenticator.allow_all = not students  # whoever has the password
elif not students | teachers:
    sys.exit("FMNIST_HUB_STUDENTS: name those who may log in; without a list, everybody who has an account there could")
c.Authenticator.allowed_users = students | teachers
c.Authenticator.allow_existing_users = False  # else whoever has ever logged in still could, when no longer in the list
c.GenericOAuthenticator.username_claim = setting("OAUTH2_USERNAME_CLAIM", "preferred_username")
c.GenericOAuthenticator.scope = setting("OAUTH2_SCOPE", "openid profile email").split()  # else a provider tells no name


def only_those_in_the_list(spawner):
    """A browser stays logged in for two weeks, though the list is another one by then."""
    if spawner.user.name not in spawner.authenticator.allowed_users | spawner.authenticator.admin_users:
        raise HTTPError(403, f"{spawner.user.name} is not in the list of this class")


# The hub and all servers are one site for a browser, so a page of a student's server acts for whoever opens it. Hence nobody
# is an admin, who could make everybody's tokens, and no teacher opens others' servers, unless each is a site of its own.
# Who is taken out of these lists, or was an admin of an earlier hub, is so no longer.
teacher = {"name": "teacher", "users": sorted(teachers), "scopes": ["admin-ui", "list:users", "read:users", "servers"]}
c.JupyterHub.load_roles = [teacher, {"name": "admin", "users": []}]
c.JupyterHub.subdomain_host = setting("FMNIST_HUB_DOMAIN")
if c.JupyterHub.subdomain_host:
    teacher["scopes"].append("access:servers")


# --- A student's server ---------------------------------------------------------------------------


def without_options(spawner, options):
    """JupyterHub keeps what options a start was asked for with, and takes them for all later ones; DockerSpawner refuses
    each that asks for an image."""
    if not spawner.allowed_images:
        spawner.user_options = {}


c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = os.environ["FMNIST_IMAGE"]
c.DockerSpawner.prefix = PROJECT
c.DockerSpawner.network_name = f"{PROJECT}_default"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True  # the next start takes the image that there is then; the work is in the volume
c.DockerSpawner.volumes = {f"{PROJECT}-{{username}}": "/home/jovyan"}
c.DockerSpawner.mem_limit = memory = number("FMNIST_STUDENT_MEMORY", "2g", size, "a size such as 2g or 1500m")
c.DockerSpawner.cpu_limit = number("FMNIST_STUDENT_CPUS", "2", float, "a number such as 2 or 0.5")
c.DockerSpawner.extra_host_config = {
    "memswap_limit": memory,  # a cell that takes too much ends at once; a machine that swaps stands still for all
    "pids_limit": 2000,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "read_only": True,
    # Its files count as memory: they end before it does, else a large one would end the whole server.
    "tmpfs": {"/tmp": f"mode=1777,size={memory // 4}"},
}
c.DockerSpawner.extra_create_kwargs = {
    # The hub looks after them itself. The image's check, every two seconds, is a core's work for thirty of them.
    "healthcheck": {"test": ["NONE"]},
    "working_dir": "/home/jovyan",  # which is there. Docker starts nothing where the student has made a file of `work`
}
c.Spawner.start_timeout = c.Spawner.http_timeout = 180  # seconds; thirty may start at once
if students:
    c.Spawner.pre_spawn_hook = only_those_in_the_list
c.Spawner.apply_user_options = without_options
c.JupyterHub.active_server_limit = number("FMNIST_HUB_SERVERS", "0")

# --- The hub itself -------------------------------------------------------------------------------

c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_connect_url = "http://hub:8081"  # as the students' containers see it
c.JupyterHub.db_url = "sqlite:////data/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/data/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "/tmp/proxy.pid"
if setting("FMNIST_HUB_CERTIFICATES"):
    for path in (CERTIFICATE, KEY):
        if not os.access(path, os.R_OK):  # rather no class than passwords as plain text
            sys.exit(f"FMNIST_HUB_CERTIFICATES: {Path(path).name} is not there, is a link to another folder, or root may not read it")
    c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = CERTIFICATE, KEY

# --- Servers that nobody uses end -----------------------------------------------------------------

idle = int(60 * number("FMNIST_HUB_IDLE_MINUTES", "60", float, "a number such as 60 or 0.5"))
if idle:
    c.JupyterHub.load_roles.append({"name": "idle-culler", "services": ["idle-culler"],
                                    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"]})
    c.JupyterHub.services = [{"name": "idle-culler", "command": [
        sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={idle}", f"--cull-every={max(1, min(idle // 2, 300))}"]}]
    # Servers tell the hub when they were last used.
    c.Spawner.environment = {"JUPYTERHUB_ACTIVITY_INTERVAL": str(max(1, min(idle // 4, 300)))}

if Path(MORE).exists():
    exec(compile(Path(MORE).read_text(), MORE, "exec"))
