"""Classes with other settings than those of test_hub.py."""

import pytest
from classroom import HUB_IMAGE, PASSWORD, Classroom, wait_until
from conftest import IMAGE, command
from test_live import LOAD

LOAD = LOAD.replace("three_layer", "one_layer")
# Any user, an empty folder that only this one may write in, and the command of other images.
STRANGER = 4321
OTHER_HOME = f"""
c.DockerSpawner.volumes = {{"FOLDER": "/home/jovyan"}}
c.DockerSpawner.extra_create_kwargs["user"] = "{STRANGER}:{STRANGER}"
c.DockerSpawner.cmd = "jupyterhub-singleuser"
c.DockerSpawner.args = ["--ServerApp.shutdown_no_activity_timeout=0"]
c.Spawner.environment["FMNIST_READY_MINUTES"] = "0.1"
"""
SILENT = """while !std::path::Path::new("go-on.txt").exists() { std::thread::sleep(std::time::Duration::from_millis(100)); }
println!("done");"""


@pytest.fixture
def other(tmp_path):
    """Starts another class."""
    started = []

    def start(name, **settings):
        started.append(Classroom(tmp_path, name, **settings))
        started[-1].up()
        return started[-1]

    yield start
    for classroom in started:
        print(classroom.compose("logs", "hub", check=False))
        classroom.down()


@pytest.mark.parametrize("setting, words", [
    ("FMNIST_HUB_PASSWORD=", "FMNIST_HUB_PASSWORD: the class needs a password"),
    ("FMNIST_HUB_PASSWORD=short", "must be at least 8 characters"),
    ("FMNIST_STUDENT_MEMORY=lots", "FMNIST_STUDENT_MEMORY=lots: give a size such as 2g"),
    ("FMNIST_HUB_AUTHENTICATOR=generic-oauth", "FMNIST_HUB_STUDENTS: name those who may log in"),
    ("FMNIST_HUB_CERTIFICATES=/an/empty/folder", "FMNIST_HUB_CERTIFICATES: fullchain.pem is not there"),
])
def test_a_wrong_setting_starts_no_class(setting, words):
    run = ["docker", "run", "--rm", "--tmpfs", "/data", "-v", "/var/run/docker.sock:/var/run/docker.sock",
           "-e", "COMPOSE_PROJECT_NAME=wrong", "-e", f"FMNIST_IMAGE={IMAGE}", "-e", f"FMNIST_HUB_PASSWORD={PASSWORD}", "-e", setting]
    said = command("timeout", 60, *run, HUB_IMAGE, check=False)
    assert words in said and "is now running at" not in said, said


def test_an_empty_home_of_any_user_and_a_late_kernel(other, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    command("chown", f"{STRANGER}:{STRANGER}", home)
    student = other("stranger", more=OTHER_HOME.replace("FOLDER", str(home))).student("carol")
    assert {"00-start.md", "03-a-first-network.ipynb", "results"} <= student.files()

    def kept():
        return [line for line in student.programs() if "evcxr" in line]

    wait_until(kept, "a kernel is kept ready")
    wait_until(lambda: not kept(), "nobody has asked for it")
    assert [line for line in student.programs() if "pool.py" in line]
    with student.kernel() as kernel:
        kernel.run(LOAD).expect()
        assert "60000" in kernel.run('std::fs::write("made.txt", "by carol")?; data.train.len()').expect().data["text/plain"]
    assert (home / "work" / "made.txt").stat().st_uid == STRANGER
    assert (home / "work" / "results").stat().st_uid == STRANGER


def test_who_does_nothing_is_ended_and_who_computes_is_not(other):
    classroom = other("idle", FMNIST_HUB_IDLE_MINUTES="0.4")
    busy = classroom.student("busy")
    with busy.kernel() as kernel:
        # It says nothing for the other's whole life, however long that is.
        request = kernel.send(SILENT)
        idle = classroom.student("idle")
        wait_until(lambda: not idle.running(), "the server that nobody uses has ended", seconds=240)
        assert busy.running()
        busy.save("go-on.txt", "")
        assert "done" in kernel.wait(request).expect().stdout
