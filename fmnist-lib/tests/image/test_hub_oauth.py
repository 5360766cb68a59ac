"""A class by https, each of whose servers is a site of its own; its students log in with accounts that they have elsewhere."""

import socket
import threading
from contextlib import contextmanager

import oidc_provider_mock
import pytest
import requests
import trustme
import websocket
from classroom import PATIENCE, Classroom, Student
from conftest import command
from werkzeug.serving import make_server

# A provider numbers its accounts, and tells the names to those who ask for them.
ACCOUNTS = {
    "11": {"preferred_username": "Alice-B", "nickname": "Alice-B"},
    "12": {"preferred_username": "bob", "nickname": "bob@school.example"},
    "13": {"preferred_username": "mallory"},
    "14": {"preferred_username": "Mia"},
}


DOMAIN = "class.localhost"


@contextmanager
def provider():
    """One that this machine and all containers reach at the same address; it knows its clients."""
    gateway = command("docker", "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
    accounts = [oidc_provider_mock.User(sub=number, claims=claims) for number, claims in ACCOUNTS.items()]
    application = oidc_provider_mock.app(require_client_registration=True, user_claims=accounts)
    server = make_server(gateway, 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{gateway}:{server.server_port}"
    server.shutdown()


def registered(url, callback):
    """The settings of a class, which the provider knows from now on."""
    body = {"redirect_uris": [callback], "token_endpoint_auth_method": "client_secret_post"}
    client = requests.post(f"{url}/oauth2/clients", json=body, timeout=30).json()
    return {
        "FMNIST_HUB_AUTHENTICATOR": "generic-oauth", "FMNIST_HUB_PASSWORD": "", "OAUTH_CALLBACK_URL": callback,
        "OAUTH_CLIENT_ID": client["client_id"], "OAUTH_CLIENT_SECRET": client["client_secret"],
        "OAUTH2_AUTHORIZE_URL": f"{url}/oauth2/authorize", "OAUTH2_TOKEN_URL": f"{url}/oauth2/token",
        "OAUTH2_USERDATA_URL": f"{url}/userinfo",
    }


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    folder, authority = tmp_path_factory.mktemp("oauth"), trustme.CA()
    certificate = authority.issue_cert(DOMAIN, f"*.{DOMAIN}")
    certificates = folder / "certificates"
    certificates.mkdir()
    certificate.cert_chain_pems[0].write_to_path(certificates / "fullchain.pem")
    certificate.private_key_pem.write_to_path(certificates / "privkey.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    with provider() as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the provider has no certificate
        for name in ("REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"):  # trusted by all that this test asks
            environment.setenv(name, str(folder / "authority.pem"))
        look_up = socket.getaddrinfo  # browsers know all names below localhost, the C library does not
        environment.setattr(socket, "getaddrinfo", lambda host, *more, **options: look_up(
            "localhost" if host.endswith(f".{DOMAIN}") or host == DOMAIN else host, *more, **options))
        classroom = Classroom(folder, "oauth", scheme="https", domain=DOMAIN, FMNIST_HUB_STUDENTS="Alice-B,bob", FMNIST_HUB_TEACHERS="Mia",
                              FMNIST_HUB_CERTIFICATES=certificates)
        classroom.settings |= registered(url, f"{classroom.url}/hub/oauth_callback")
        try:
            classroom.up()
            yield classroom
        finally:
            print(classroom.compose("logs", "hub", check=False))
            classroom.down()


class Account(Student):
    """A student who logs in at the provider, with the account of this number."""

    def login(self, number):
        form = self.http.get(self.classroom.url, timeout=30)
        assert "oauth_login" in form.text, form.text
        form = self.http.get(f"{self.classroom.url}/hub/oauth_login?next=%2Fhub%2Fhome", timeout=30)
        assert form.url.startswith(self.classroom.settings["OAUTH2_AUTHORIZE_URL"]), form.url
        return self.http.post(form.url, data={"sub": number}, timeout=PATIENCE)


@pytest.fixture(scope="module")
def alice(classroom):
    return Account(classroom, "alice-b", "11")


@pytest.fixture(scope="module")
def teacher(classroom):
    return Account(classroom, "mia", "14", start=False)


def test_a_student_gets_a_server(classroom, alice):
    page = alice.http.get(f"{classroom.url}/hub/user/{alice.name}/lab", timeout=PATIENCE)
    assert page.status_code == 200 and page.url.startswith(f"{alice.server.url}/lab"), page.url
    assert "00-start.md" in alice.files()


def test_cookies_go_by_https_only(classroom, alice):
    alice.http.get(f"{alice.server.url}/lab", timeout=PATIENCE)
    cookies = [one for one in alice.http.cookies if one.domain.endswith(DOMAIN)]
    assert {(DOMAIN, "/hub/"), (f"{alice.name}.{DOMAIN}", f"/user/{alice.name}/")} <= {(one.domain, one.path) for one in cookies}
    # Who sees the one against forged requests is logged in nowhere; Jupyter sends it without the word.
    assert {one.name for one in cookies if not one.secure} <= {"_xsrf"}
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{classroom.url.replace('https', 'http')}/hub/login", timeout=30)


def test_a_kernel_answers_by_https(classroom, alice):
    with alice.kernel() as kernel:
        assert kernel.socket.sock.version().startswith("TLS")
        assert kernel.ask("kernel_info_request")["language_info"]["name"] == "Rust"
        with pytest.raises(websocket.WebSocketBadStatusException):
            websocket.create_connection(f"{alice.server.url.replace('https', 'wss')}/api/kernels/{kernel.id}/channels", timeout=30)


def test_who_is_not_in_the_list_stays_outside(classroom):
    with pytest.raises(PermissionError):
        Account(classroom, "mallory", "13")


def test_a_teacher_opens_a_server_which_is_a_site_of_its_own(classroom, alice, teacher):
    assert teacher.http.get(f"{classroom.url}/hub/admin", timeout=30).status_code == 200
    token, contents = dict(teacher.server.http.headers), f"/user/{alice.name}/api/contents"
    assert requests.get(f"{alice.server.url}/api/contents", headers=token, timeout=30).status_code == 200
    assert requests.get(classroom.url + contents, headers=token, timeout=30, allow_redirects=False).is_redirect
    assert teacher.api("POST", f"users/{alice.name}/tokens").status_code in (403, 404)


def test_who_is_no_longer_in_the_list_stays_outside(classroom, alice, teacher):
    """Under the same name; it is taken from elsewhere now."""
    classroom.up(FMNIST_HUB_TEACHERS="", FMNIST_HUB_STUDENTS="bob@school.example", OAUTH2_USERNAME_CLAIM="nickname", OAUTH2_SCOPE="openid profile")
    assert Account(classroom, "bob@school.example", "12").running()
    with pytest.raises(PermissionError):
        Account(classroom, alice.name, "11")
    assert teacher.http.get(f"{classroom.url}/hub/admin", timeout=30).status_code == 403
    # The browser in which she is still logged in.
    assert alice.api("POST", f"users/{alice.name}/server").status_code == 403
    assert not alice.running()
