"""nbgrader's own programs grade the example assignment, with the image's kernel and this project's settings."""

import csv
import re

import nbformat
from conftest import IMAGE, REPOSITORY, command

COURSE = REPOSITORY / "notebooks" / "hub" / "nbgrader"
ASSIGNMENT = "images/images.ipynb"
GRADE = """cd /course
/opt/fmnist/notebooks/start.sh python -m pip install --quiet nbgrader
export PATH=/opt/fmnist/cache/venv/bin:$PATH
nbgrader generate_assignment images --create
mkdir submitted/idle && cp -r release/images submitted/idle/
nbgrader autograde images --create
nbgrader generate_feedback images
nbgrader export"""
SOLUTION = re.compile(r".*(?:BEGIN|END) SOLUTION\n")


def hand_in(course, student, change):
    """The assignment as a student leaves it: `change` has what the teacher's solutions are, and their number."""
    notebook = nbformat.read(course / "source" / ASSIGNMENT, 4)
    solutions = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    for number, cell in enumerate(solutions):
        cell.source = change(SOLUTION.sub("", cell.source), number)
    path = course / "submitted" / student / ASSIGNMENT
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def test_what_passes_gets_its_points_and_what_panics_gets_none(tmp_path):
    course = tmp_path / "course"
    command("cp", "-r", COURSE, course)
    hand_in(course, "right", lambda solution, _: solution)
    hand_in(course, "warned", lambda solution, _: solution.replace("{\n", "{\n    let unused = 1;\n", 1))
    hand_in(course, "half", lambda solution, number: solution if number == 0 else solution.split("{\n")[0] + '{ panic!("no idea") }')
    said = command("docker", "run", "--rm", "--network", "host", "--user", "root", "-v", f"{course}:/course", IMAGE, "bash", "-ec", GRADE)
    points = {row["student_id"]: float(row["score"]) for row in csv.DictReader((course / "grades.csv").open())}
    assert points == {"right": 5.0, "warned": 5.0, "half": 2.0, "idle": 0.0}, said
    assert {path.parent.parent.name for path in course.glob("feedback/*/images/*.html")} == points.keys(), said
