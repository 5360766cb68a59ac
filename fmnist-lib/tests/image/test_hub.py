"""A class: two students at once, apart from each other, within limits, with work that outlives their servers."""

import re
import shutil

import nbformat
import pytest
import requests
from classroom import PASSWORD, TEACHER_PASSWORD, Classroom, Student, wait_until
from conftest import IMAGE, command
from playwright.sync_api import expect, sync_playwright
from test_browser import MINUTES, SCREENSHOTS, menu
from test_live import LOAD

LOAD = LOAD.replace("three_layer", "one_layer")
FIT = "let run = fit(&mut model, &train, &validation, FitConfig::default().epochs(EPOCHS))?;"
GREEDY = """let mut all = vec![];
loop { all.push(vec![1u8; 100 << 20]); }"""
GET = """use std::io::{Read, Write};
let mut peer = std::net::TcpStream::connect("ADDRESS:8888")?;
write!(peer, "GET PATH HTTP/1.0\\r\\nHost: ADDRESS\\r\\nAuthorization: token {}\\r\\n\\r\\n", std::env::var("JUPYTERHUB_API_TOKEN")?)?;
let mut answer = String::new();
peer.read_to_string(&mut answer)?;
println!("{}", answer.lines().next().unwrap());"""


@pytest.fixture(scope="module")
def classroom(tmp_path_factory):
    classroom = Classroom(tmp_path_factory.mktemp("class"), FMNIST_STUDENT_MEMORY="2g", FMNIST_HUB_TEACHERS="ada",
                          FMNIST_HUB_TEACHER_PASSWORD=TEACHER_PASSWORD)
    classroom.up()
    yield classroom
    print(classroom.compose("logs", "hub", check=False))
    classroom.down()


@pytest.fixture(scope="module")
def alice(classroom):
    return classroom.student("alice")


@pytest.fixture(scope="module")
def bob(classroom):
    return classroom.student("bob")


@pytest.fixture(scope="module")
def ada(classroom):
    """A teacher."""
    return Student(classroom, "ada", TEACHER_PASSWORD, start=False)


def test_who_does_not_know_the_password_stays_outside(classroom):
    with pytest.raises(PermissionError):
        Student(classroom, "mallory", "a wrong one")
    with pytest.raises(PermissionError):
        Student(classroom, "ada", PASSWORD)  # the name of a teacher
    assert requests.get(f"{classroom.url}/user/alice/api/contents", timeout=30, allow_redirects=False).status_code != 200


def test_two_students_at_work_in_a_browser(classroom):
    flags = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        pages = {}
        for name in ("alice", "bob"):
            pages[name] = page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
            page.goto(classroom.url)
            page.get_by_label("Username").fill(name)
            page.get_by_label("Password").fill(PASSWORD)
            page.screenshot(path=SCREENSHOTS / f"hub-0-login-{name}.png")
            page.get_by_role("button", name="Sign in").click()
            start = page.locator(".jp-MarkdownViewer:visible")
            expect(start.get_by_role("heading", name="Fashion-MNIST in Rust notebooks")).to_be_visible(timeout=2 * MINUTES)
            assert page.url.startswith(f"{classroom.url}/user/{name}/lab")
            page.screenshot(path=SCREENSHOTS / f"hub-1-start-{name}.png")
        for name, page in pages.items():
            write_notebook(classroom.student(name), [f'println!("This is {name}.");', LOAD, FIT.replace("EPOCHS", "15"), "evaluate(&model, &data.test)?"])
            page.goto(f"{classroom.url}/user/{name}/lab/workspaces/test/tree/trained.ipynb")
            expect(page.get_by_text("Rust | Idle")).to_be_visible(timeout=2 * MINUTES)
            menu(page, "Run", "Run All Cells")
        for page in pages.values():
            expect(page.locator(".jp-OutputArea progress")).to_be_visible(timeout=2 * MINUTES)
        # Both at the same time, and both move.
        seen = {name: set() for name in pages}
        for _ in range(8):
            for name, page in pages.items():
                seen[name].add(page.locator(".jp-RenderedHTMLCommon:has(progress)").inner_text())
            pages["alice"].wait_for_timeout(500)
        assert min(map(len, seen.values())) > 3, seen
        for name, page in pages.items():
            page.screenshot(path=SCREENSHOTS / f"hub-2-training-{name}.png")
        for name, page in pages.items():
            expect(page.locator(".jp-OutputArea").get_by_text(re.compile("accuracy: 0.[89]"))).to_be_visible(timeout=5 * MINUTES)
            page.screenshot(path=SCREENSHOTS / f"hub-3-trained-{name}.png")
        browser.close()
    for name in pages:
        classroom.student(name).server.stop_kernels()


def write_notebook(student, cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "rust", "display_name": "Rust", "language": "rust"}
    content = {"type": "notebook", "format": "json", "content": notebook}
    student.server.request("PUT", "/api/contents/trained.ipynb", json=content)


def test_a_student_sees_nothing_of_another(classroom, alice, bob):
    alice.save("diary.txt", "what only alice knows")
    url = f"{classroom.url}/user/alice/api/contents/diary.txt"
    own, others = [requests.get(url, headers=dict(one.server.http.headers), timeout=30).status_code for one in (alice, bob)]
    assert (own, others) == (200, 403)
    assert bob.http.get(url, timeout=30).status_code in (403, 404), "with the cookies of a browser"
    assert bob.api("DELETE", "users/alice/server").status_code in (403, 404)
    with bob.kernel() as kernel:
        find = 'println!("{:?}", std::process::Command::new("find").args(["/", "-name", "diary.txt"]).output()?.stdout);'
        assert kernel.run(find).expect().stdout.strip() == "[]"
        # Straight from container to container, past the proxy, with the token that bob's own server has.
        for path, status in [("/user/alice/api/contents/diary.txt", "403"), ("/user/alice/api", "200")]:
            code = GET.replace("ADDRESS", command("docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", alice.container))
            assert status in kernel.run(code.replace("PATH", path)).expect().stdout


def test_a_teacher_is_no_admin_and_opens_no_server(classroom, ada, bob):
    """As a page that a student has made could have it done, once a teacher's browser opens it."""
    bob.save("diary.txt", "what only bob knows")
    url = f"{classroom.url}/user/bob/api/contents/diary.txt"
    token = dict(ada.server.http.headers)
    assert [requests.get(url, headers=token, timeout=30).status_code, ada.http.get(url, timeout=30).status_code] == [403, 403]
    for method, path, body in [("POST", "users/bob/tokens", {}), ("POST", "users/eve", None), ("PATCH", "users/ada", {"admin": True}),
                               ("DELETE", "users/bob", None), ("POST", "groups/all", None), ("POST", "shutdown", {})]:
        assert ada.api(method, path, json=body).status_code in (403, 404), path
    assert not ada.api("GET", "user").json()["admin"]


def test_a_teacher_stops_and_starts_a_server_that_its_student_has_broken(classroom, ada, bob):
    assert ada.http.get(f"{classroom.url}/hub/admin", timeout=30).status_code == 200
    assert bob.http.get(f"{classroom.url}/hub/admin", timeout=30).status_code == 403
    servers = {one["name"]: one["servers"] for one in ada.api("GET", "users").json()}
    assert servers["bob"][""]["ready"]
    command("docker", "exec", bob.container, "sh", "-c", "cd /home/jovyan && mv work mine && ln -s nowhere work")
    assert ada.api("DELETE", "users/bob/server").ok
    wait_until(lambda: not bob.api("GET", "users/bob").json()["servers"], "the server of bob has ended")
    asked = bob.api("POST", "users/bob/server", json={"image": "another"})
    assert asked.ok, asked.text
    assert ada.api("POST", "users/bob/server").status_code in (201, 202, 400)  # 400: it starts already
    wait_until(bob.running, "the server of bob is there")
    assert "00-start.md" in bob.files()
    assert command("docker", "inspect", "-f", "{{.Config.Image}}", bob.container) == IMAGE
    assert "diary.txt" in command("docker", "exec", bob.container, "ls", "/home/jovyan/mine", "/home/jovyan/work")


def test_a_large_file_in_tmp_meets_a_limit_and_ends_nothing(bob):
    write = "dd if=/dev/zero of=/tmp/large bs=1M count=700; rm /tmp/large"
    assert "No space left on device" in command("docker", "exec", bob.container, "sh", "-c", write)


def test_a_container_has_no_rights(bob):
    with bob.kernel():
        config = command("docker", "inspect", "-f", "{{.HostConfig.CapDrop}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} "
                         "{{.HostConfig.MemorySwap}} {{.HostConfig.CpuQuota}} {{.Config.User}}", bob.container)
        assert config == f"[ALL] true {2 << 30} {2 << 30} 200000 jovyan"
        assert "docker.sock" not in command("docker", "inspect", bob.container)


def test_one_is_stopped_by_the_limit_and_the_other_goes_on(alice, bob):
    with alice.kernel() as greedy, bob.kernel() as modest:
        modest.run(LOAD).expect()
        request = modest.send(FIT.replace("EPOCHS", "20"))
        modest.wait(request, until=lambda so_far: so_far.shown)
        result = greedy.run(GREEDY)
        assert "signal: 9 (SIGKILL)" in result.error, result.error
        assert "memory" in result.error, result.error
        assert "2" in greedy.run("1 + 1").expect().data["text/plain"]
        trained = modest.wait(request).expect()
        assert any("All epochs are done." in data.get("text/plain", "") for _, _, data in trained.shown)


def test_kernels_are_ready_and_training_shows_how_it_goes(alice):
    wait_until(lambda: any("pool.py" in one for one in alice.programs()), "a kernel is kept ready")
    with alice.kernel() as kernel:
        kernel.run(LOAD).expect()
        shown = kernel.run(FIT.replace("EPOCHS", "1")).expect().shown
        assert "<progress" in shown[0][2]["text/html"]


def test_work_outlives_the_server_and_a_hub_with_other_settings(classroom, alice, ada):
    alice.save("kept.txt", "an hour's work")
    alice.save("10-export.ipynb", "not what the image brings")
    alice.server.request("DELETE", "/api/contents/12-by-hand.ipynb")
    command("docker", "exec", alice.container, "sh", "-c", r"printf '\377' >>/home/jovyan/work/.fmnist-notebooks")
    another = {"FMNIST_HUB_TEACHERS": "", "FMNIST_HUB_STUDENTS": "alice,bob"}
    for restart in (lambda: (alice.stop(), alice.start()), lambda: classroom.up(**another)):
        restart()
        alice.server = classroom.student("alice").server
        files = alice.files()
        assert alice.server.contents("kept.txt")["content"] == "an hour's work"
        assert alice.server.contents("10-export.ipynb?type=file")["content"] == "not what the image brings"
        assert "12-by-hand.ipynb" not in files and "03-a-first-network.ipynb" in files
    # A teacher no longer, in the browser that is still logged in and by either password.
    assert ada.http.get(f"{classroom.url}/hub/admin", timeout=30).status_code == 403
    for password in (PASSWORD, TEACHER_PASSWORD):
        with pytest.raises(PermissionError):
            Student(classroom, "ada", password)
