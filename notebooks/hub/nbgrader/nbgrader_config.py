"""nbgrader for Rust: settings, and a course of one assignment in `source/images`.

    docker run --rm -it --network host --user root -v "$PWD/notebooks/hub/nbgrader:/course" -w /course fmnist-notebooks bash
    /opt/fmnist/notebooks/start.sh python -m pip install nbgrader; export PATH=/opt/fmnist/cache/venv/bin:$PATH
    nbgrader generate_assignment images --create   # what students get, below `release`
    nbgrader autograde images --create             # what they have handed in, in `submitted/NAME/images`
    nbgrader generate_feedback images              # what they get back, below `feedback`
    nbgrader export                                # the points, in grades.csv

Students of a class here hand in what lies in a folder of their volume (README, "A class", says how it is collected).

A test cell that panics, does not compile or leaves through `?` gives no points. One that passes gives all of its points.
"""

import os

c = get_config()  # noqa: F821, nbgrader defines it
c.CourseDirectory.course_id = "fashion-mnist"
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))
c.ClearSolutions.code_stub = {"rust": 'todo!("your code")'}
c.Execute.timeout = 600  # seconds for a cell: some train
c.Execute.startup_timeout = 120
# nbgrader takes all that a cell writes to stderr for a failure: a compiler's warning, a progress message. Here, what
# fails is an error among the outputs of its cell.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = "."
