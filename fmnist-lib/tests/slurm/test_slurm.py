"""What the README says about a cluster, word for word, on a real Slurm (start.sh), and what becomes of a run whose process
is told to end, is killed, belongs to another user, or was on a machine that is gone.

Needs root, and starts and stops servers: it is meant for a container (.ci/slurm-tests). The data are the real ones.
"""

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
# No two trainings take the same time, or lie in the same place; all else is the same.
OTHER = {"seconds", "images_per_second", "ended", "checkpoint"}
PATIENCE = 600  # seconds until something that must happen counts as missing


def readme_command():
    """The README's lines that start an array."""
    blocks = re.findall(r"```sh\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (command,) = [block for block in blocks if block.startswith("sbatch --array")]
    return command


def run(*arguments, **options):
    """A program that must succeed; what it printed."""
    done = subprocess.run([str(one) for one in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}"
    return done.stdout


def wait_until(what, is_there):
    """What `is_there` returns as soon as that is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := is_there():
            return found
        time.sleep(0.05)
    raise AssertionError(f"after {PATIENCE} s: no {what}")


def comparable(value):
    if isinstance(value, dict):
        return {name: comparable(one) for name, one in value.items() if name not in OTHER}
    return [comparable(one) for one in value] if isinstance(value, list) else value


def tensors(path):
    """A file of tensors: what is said about them, parsed, and the digest of their bytes."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8:8 + length])
    about = {name: parsed(text) for name, text in head.pop("__metadata__", {}).items()}
    return about, head, hashlib.sha256(content[8 + length:]).hexdigest()


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def content(folder):
    """All results and networks in a folder, without what differs anyway."""
    found = {path.name: comparable(json.loads(path.read_text())) for path in folder.glob("*.json")}
    for path in folder.glob("*.safetensors"):
        about, head, weights = tensors(path)
        found[path.name] = comparable(about), head, weights
    return found


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class Cluster(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        os.umask(0o022)
        # One thread each: the bits are the same, and four tasks share the cores that there are.
        os.environ |= {"FMNIST_QUICK": "1", "RAYON_NUM_THREADS": "1"}
        cls.folder = Path(tempfile.mkdtemp())
        cls.folder.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run("cargo", "build", "--release", "--example", "reproduce", cwd=REPOSITORY)
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        # Where every user may start it.
        cls.program = shutil.copy(target / "release/examples/reproduce", cls.folder)
        # What one process makes of the README's sweep.
        *_, wrapped = shlex.split(readme_command().replace("\\\n", ""))
        cls.options = shlex.split(wrapped.split(" -- ")[1])
        cls.shared = Path(cls.options[-1])
        cls.alone = cls.folder / "alone"
        run(cls.program, *cls.options[:-1], cls.alone)
        cls.result = {}
        for path in cls.alone.glob("*.json"):
            name, seed, digest = path.stem.rsplit("-", 2)
            cls.result[name, seed] = path, f"{seed}-{digest}.lock"
        cls.begin_beside_other_machines()

    @classmethod
    def begin_beside_other_machines(cls):
        """Two runs that another machine has: one whose process is dead, one whose process lives. All is about minutes, so
        it begins before the other tests."""
        _, lock = cls.result["1_Layer", "seed1"]
        cls.dead, cls.alive = cls.folder / "dead", cls.folder / "alive"
        cls.stop_beating = threading.Event()
        for folder in (cls.dead, cls.alive):
            folder.mkdir()
            cls.beat(folder / lock, 0)
        cls.lives = cls.alive / lock

        def beats():
            count = 0
            while not cls.stop_beating.wait(1):
                count += 1
                cls.beat(cls.lives, count)

        cls.heart = threading.Thread(target=beats, daemon=True)
        cls.heart.start()
        cls.beside = [cls.start(folder, "--models", 1, "--seed", 1) for folder in (cls.dead, cls.alive)]

    @staticmethod
    def beat(path, count):
        path.write_text(json.dumps({"host": "node7", "process": 1, "number": 0, "machine": "another", "locked": True,
                                    "alive": f"2026-11-30T18:00:{count:02}Z"}))

    @classmethod
    def start(cls, folder, *options, user=(), umask="022"):
        """Starts the program in the background, for another user where one is named."""
        command = [*user, "sh", "-c", f'umask {umask}; exec "$0" "$@"', cls.program, *options, "--out", folder]
        process = subprocess.Popen([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, cwd=cls.folder)
        cls.addClassCleanup(process.kill)
        return process

    def end(self, process, status=0):
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, status, said)
        return said

    def in_the_middle(self, folder, process):
        """Waits until a run of `3_layer` is in its second epoch; its first one, as the checkpoint has it."""
        path = folder / self.result["3_layer", "seed1"][0].with_suffix(".safetensors").name
        wait_until("checkpoint", lambda: path.exists() or process.poll() is not None)
        os.kill(process.pid, signal.SIGSTOP)
        self.assertEqual([one for one in names(folder) if one.endswith(".json")], [], "it was too fast")
        return self.first_epoch(tensors(path)[0])

    def first_epoch(self, about):
        if isinstance(about, dict):
            if isinstance(about.get("epochs"), list):
                return about["epochs"][0]
            return next((found for one in about.values() if (found := self.first_epoch(one))), None)
        return None

    def went_on(self, folder, first):
        """The run has the bits of the one that nobody disturbed, and its first epoch was not trained again."""
        path, _ = self.result["3_layer", "seed1"]
        self.assertIsNotNone(first)
        self.assertEqual(json.loads((folder / path.name).read_text())["history"]["epochs"][0], first)
        here, alone = content(folder), content(self.alone)
        self.assertEqual(here, {name: alone[name] for name in here})
        self.assertFalse([name for name in names(folder) if re.search(r"lock|dead|tmp", name)])

    def test_a_sbatch_array_shares_the_sweep(self):
        run(HERE / "start.sh")
        self.assertFalse(self.shared.exists(), "the README's folder is to be new")
        self.shared.parent.mkdir(exist_ok=True)
        # Below the checkout, as `cargo run` looks for it; Slurm puts what the tasks print here.
        place = Path(tempfile.mkdtemp(dir=REPOSITORY / "target"))
        self.addCleanup(shutil.rmtree, place)
        job = re.search(r"Submitted batch job (\d+)", run("bash", "-euc", readme_command(), cwd=place))[1]
        self.addCleanup(subprocess.run, ["scancel", job], check=False)

        task = wait_until("task in the middle of a run", lambda: self.busy(job))
        run("scontrol", "requeue", f"{job}_{task}")
        log = lambda number: (place / f"slurm-{job}_{number}.out").read_text()
        wait_until("end of the task that was requeued", lambda: "terminated (SIGTERM)" in log(task))
        self.restart_controller()

        show = lambda: run("scontrol", "show", "job", "--oneliner", job).splitlines()
        wait_until("end of the array", lambda: not any(re.search(r"JobState=(PENDING|RUNNING|COMPLETING)", one) for one in show()))
        jobs = {re.search(r"ArrayTaskId=(\d+)", one)[1]: one for one in show()}
        self.assertEqual(len(jobs), 4)
        for number, one in jobs.items():
            self.assertIn("JobState=COMPLETED", one, log(number))
            self.assertIn(f"Restarts={int(number == task)} ", one)

        logs = [log(number) for number in jobs]
        finished = re.findall(r"^(\S+, seed \d+) \(\d+ of 12\)", "\n".join(logs), re.MULTILINE)
        self.assertEqual(sorted(finished), sorted(f"{model}, seed {seed}" for model in ("1_Layer", "2_Layer", "3_layer")
                                                  for seed in range(1, 5)), "each run is done once")
        tables = {log[log.index("| Model |"):] for log in logs}
        self.assertEqual(len(tables), 1, "all tasks print one table")
        self.assertEqual(names(self.shared), names(self.alone))
        self.assertEqual(content(self.shared), content(self.alone))

    def busy(self, job):
        """A task of the array that has a run of `3_layer` with one epoch behind it."""
        for checkpoint in self.shared.glob("3_layer-*.safetensors"):
            lock = self.shared / checkpoint.name.removeprefix("3_layer-").replace(".safetensors", ".lock")
            # Whatever is there may be gone by now.
            with contextlib.suppress(OSError, ValueError):
                owner = json.loads(lock.read_text())["process"]
                variables = Path(f"/proc/{owner}/environ").read_text()
                self.assertIn(f"SLURM_ARRAY_JOB_ID={job}\0", variables)
                return re.search(r"\0SLURM_ARRAY_TASK_ID=(\d+)\0", variables)[1]
        return None

    def restart_controller(self):
        """While tasks run and one waits."""
        controller = run("pidof", "slurmctld").strip()
        run("scontrol", "shutdown", "slurmctld")
        wait_until("end of the controller", lambda: not Path("/proc", controller).exists())
        run("slurmctld")
        wait_until("controller", lambda: "is UP" in subprocess.run(["scontrol", "ping"], capture_output=True, text=True, check=False).stdout)

    def test_b_sigterm_ends_a_run_and_the_next_process_goes_on(self):
        folder = self.folder / "terminated"
        three = ("--models", 3, "--seed", 1)
        process = self.start(folder, *three)
        first = self.in_the_middle(folder, process)
        process.terminate()
        os.kill(process.pid, signal.SIGCONT)
        said = self.end(process, 143)
        self.assertIn("terminated (SIGTERM)", said)
        self.assertFalse([name for name in names(folder) if name.endswith((".lock", ".json"))])
        self.end(self.start(folder, *three))
        self.went_on(folder, first)

    def test_c_one_user_goes_on_where_another_was(self):
        run("groupadd", "--force", "laboratory")
        for user in ("ann", "bob"):
            if subprocess.run(["id", user], capture_output=True, check=False).returncode:
                run("useradd", "--no-create-home", user)
            run("usermod", "--append", "--groups", "laboratory", user)
        of = lambda user: ("setpriv", "--reuid", user, "--regid", user, "--init-groups", "--inh-caps=-all")
        place = self.folder / "laboratory"
        place.mkdir()
        shutil.chown(place, "ann", "laboratory")
        place.chmod(0o2770)
        folder, three = place / "depth", ("--models", 3, "--seed", 1)
        killed = self.start(folder, *three, user=of("ann"), umask="022")
        first = self.in_the_middle(folder, killed)
        killed.kill()
        killed.communicate()
        self.end(self.start(folder, *three, user=of("bob"), umask="077"))
        self.went_on(folder, first)
        self.assertIn("1 of 1 run was found", self.end(self.start(folder, *three, user=of("ann"), umask="077")))
        for path in [folder, *folder.iterdir()]:
            self.assertEqual((path.group(), path.stat().st_mode & 0o060), ("laboratory", 0o060), path)

    def test_d_a_run_of_another_machine_is_taken_from_a_dead_process_alone(self):
        dead, alive = self.beside
        said = self.end(dead)
        self.assertIn("1_Layer, seed 1 (1 of 1)", said)
        here, alone = content(self.dead), content(self.alone)
        self.assertEqual(here, {name: alone[name] for name in here})
        # Its process has waited as long, beside signs of life.
        self.assertIsNone(alive.poll())
        self.assertEqual(names(self.alive), [self.lives.name])
        self.stop_beating.set()
        self.heart.join()
        self.lives.unlink()
        self.assertIn("1_Layer, seed 1 (1 of 1)", self.end(alive))


if __name__ == "__main__":
    unittest.main()
