"""Stands in for evcxr's runtime: runs the Python file that a LOAD_AND_RUN line names."""

import sys

for line in sys.stdin:
    exec(open(line.split()[1]).read())
    sys.stdout.buffer.write(b"EVCXR_EXECUTION_COMPLETE\n")
    sys.stdout.flush()
