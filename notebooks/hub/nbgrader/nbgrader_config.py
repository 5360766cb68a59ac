"""nbgrader for Rust: settings, and a course of one assignment in `source/images`.

    notebooks/start.sh setup && notebooks/start.sh python -m pip install nbgrader
    export PATH=~/.cache/fmnist-lib/venv/bin:$PATH && cd notebooks/hub/nbgrader
    nbgrader generate_assignment images --create   # what students get, below `release`
    nbgrader autograde images --create             # what they have handed in, in `submitted/NAME/images`
    nbgrader export                                # the points, in grades.csv

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
