"""Values that somebody sets for a run of a notebook: by papermill, in a cell behind the one with the tag `parameters`."""

import copy
import json

from papermill.parameterize import parameterize_notebook
from papermill.utils import find_first_tagged_cell_index
from papermill_rust import RustTranslator

TAG = "parameters"


class Refused(Exception):
    """A value cannot be set; the text says why."""


def split(setting):
    """`epochs=5` as name and value: one of JSON, or else a text."""
    name, _, value = setting.partition("=")
    if not (name.isidentifier() and value):
        raise Refused(f"--set takes NAME=VALUE, such as epochs=5, not {setting}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def with_values(nb, values):
    """A copy of the notebook in which these variables have these values."""
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        cell.metadata.setdefault("tags", [])
    at = find_first_tagged_cell_index(nb, TAG)
    if at < 0:
        raise Refused(f"no cell has the tag {TAG}; one must, with a line `let NAME: TYPE = …;` for each parameter")
    declared = [parameter.name for parameter in RustTranslator.inspect(nb.cells[at])]
    for name in values:
        if name not in declared:
            raise Refused(f"there is no parameter {name}; there is {', '.join(declared) or 'none'}")
    nb.metadata.setdefault("papermill", {})
    return parameterize_notebook(nb, values, kernel_name="rust", language="rust")
