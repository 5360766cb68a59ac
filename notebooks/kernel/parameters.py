"""Values that somebody sets for a run of a notebook: as papermill does, in a cell behind the one tagged `parameters`."""

import copy
import re

from nbformat.v4 import new_code_cell

TAG = "parameters"
INJECTED = "injected-parameters"  # papermill's word
DECLARATION = re.compile(r"\blet (?P<mut>mut )?(?P<name>\w+)(?:: (?P<type>[^=]+?))? = ")
# Names behind which text stands without quotes on a command line.
TEXT = {"String": "{}.to_owned()", "&str": "{}", "&'static str": "{}"}


class Refused(Exception):
    """A value cannot be set; the text says why."""


def split(setting):
    """`epochs=5` as name and value."""
    name, equals, value = setting.partition("=")
    if not (equals and name.isidentifier() and value):
        raise Refused(f"--set takes NAME=VALUE, such as epochs=5, not {setting}")
    return name, value


def with_values(nb, values):
    """A copy of the notebook in which these variables have these values."""
    nb = copy.deepcopy(nb)
    nb.cells = [cell for cell in nb.cells if not has(cell, INJECTED)]
    tagged = [at for at, cell in enumerate(nb.cells) if has(cell, TAG)]
    if len(tagged) != 1:
        raise Refused(f"{len(tagged) or 'no'} cells have the tag {TAG}; one must, with a line `let NAME: TYPE = …` for each parameter")
    declared = {found["name"]: found for found in DECLARATION.finditer(nb.cells[tagged[0]].source)}
    for name in values:
        if name not in declared:
            raise Refused(f"there is no parameter {name}; there is {', '.join(declared) or 'none'}")
    lines = [line(declared[name], value) for name, value in values.items()]
    cell = new_code_cell("\n".join(["// Parameters", *lines]), metadata={"tags": [INJECTED]})
    nb.cells.insert(tagged[0] + 1, cell)
    return nb


def has(cell, tag):
    return tag in cell.metadata.get("tags", [])


def line(declared, value):
    """The declaration with another value, of the same type."""
    kind = declared["type"]
    if kind in TEXT:
        quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        value = TEXT[kind].format(quoted)
    return f"let {declared['mut'] or ''}{declared['name']}{f': {kind}' if kind else ''} = {value};"
