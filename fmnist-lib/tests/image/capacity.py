"""Prints how much memory a class takes, and how long its servers take to start: the README's table.

Needs what run.sh leaves: the two images and its virtual environment.

    FMNIST_IMAGE=fmnist-notebooks target/image-test/venv/bin/python fmnist-lib/tests/image/capacity.py
"""

import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from classroom import Classroom
from conftest import command
from test_hub import FIT, LOAD

MANY = 10
UNITS = {"MiB": 1 / 1024, "GiB": 1}


def memory(classroom, name):
    """Gigabytes of a container of the class."""
    used = command("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", f"{classroom.project}-{name}")
    number, unit = re.match(r"([\d.]+)(\w+)", used).groups()
    return float(number) * UNITS[unit]


def login(classroom, name):
    started = time.monotonic()
    student = classroom.student(name)
    return student, time.monotonic() - started


def report(classroom):
    first, seconds = login(classroom, "first")
    print(f"one server starts in {seconds:.0f} s")
    with ThreadPoolExecutor(MANY) as pool:
        others = list(pool.map(lambda number: login(classroom, f"student{number}"), range(MANY)))
    print(f"{MANY} at once: the last one starts in {max(seconds for _, seconds in others):.0f} s")
    time.sleep(60)  # until a kernel is ready in each
    ready = [memory(classroom, student.name) for student, _ in [(first, 0), *others]]
    print(f"the hub: {memory(classroom, 'hub-1'):.1f} GB; a server with a kernel ready: {min(ready):.1f} to {max(ready):.1f} GB")
    with first.kernel() as kernel:
        time.sleep(20)
        print(f"a notebook open: {memory(classroom, 'first'):.1f} GB")
        kernel.run(LOAD).expect()
        for builder, epochs in (("one_layer", 40), ("three_layer", 2)):
            kernel.run(f"let mut model = {builder}().build(1)?;").expect()
            request = kernel.send(FIT.replace("EPOCHS", str(epochs)))
            time.sleep(9)
            print(f"training {builder}: {memory(classroom, 'first'):.1f} GB")
            kernel.wait(request).expect()


if __name__ == "__main__":
    classroom = Classroom(Path(tempfile.mkdtemp()), "capacity")
    try:
        classroom.up()
        report(classroom)
    finally:
        classroom.down()
