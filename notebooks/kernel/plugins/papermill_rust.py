"""Rust for papermill: values become `let` statements, with the types that the notebook's cell of parameters declares.

papermill has no entry point for translators. It loads all engines as it starts, so this module comes as one.
"""

import math
import re

from papermill.engines import NBClientEngine as Engine  # noqa: F401, the entry point names it
from papermill.exceptions import PapermillException
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

DECLARATION = re.compile(r"(?:^|;)\s*let (?P<mut>mut )?(?P<name>\w+)(?:: (?P<type>[^=]+?))? = (?P<default>[^;\n]*)", re.MULTILINE)
TEXT = {None, "&str", "&'static str"}
GENERIC = re.compile(r"(?P<outer>Vec|Option)<(?P<inner>.*)>")


class RustTranslator(Translator):
    # papermill shows the cell of parameters to `inspect` alone, just before it calls `codify`.
    declared = {}

    @classmethod
    def inspect(cls, parameters_cell):
        found = list(DECLARATION.finditer(parameters_cell["source"]))
        cls.declared = {one["name"]: one for one in found}
        return [Parameter(one["name"], one["type"] or "None", one["default"], "") for one in found]

    @classmethod
    def codify(cls, parameters, comment="Parameters"):
        declared, cls.declared = cls.declared, {}
        lets = [let(name, value, declared.get(name)) for name, value in parameters.items()]
        return "\n".join([f"// {comment}", *lets])


def let(name, value, declared):
    kind, mutable = (declared["type"], declared["mut"] or "") if declared else (None, "")
    return f"let {mutable}{name}{f': {kind}' if kind else ''} = {literal(value, kind)};"


def literal(value, kind=None):
    """The Rust expression for a value of JSON, as this type. Text is Rust where the type is none of text."""
    generic = GENERIC.fullmatch(kind or "")
    if generic and generic["outer"] == "Option":
        return "None" if value is None else f"Some({literal(value, generic['inner'])})"
    if isinstance(value, list):
        items = ", ".join(literal(item, generic and generic["inner"]) for item in value)
        return f"vec![{items}]" if generic else f"[{items}]"
    if isinstance(value, str):
        return value if kind not in {"String", *TEXT} else quoted(value) + (".to_owned()" if kind == "String" else "")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return number(value, kind)
    raise PapermillException(f"Rust has no expression for the value {value!r} of a parameter")


def number(value, kind):
    if isinstance(value, int):
        return f"{value}.0" if kind in ("f32", "f64") else str(value)
    if math.isfinite(value):
        return repr(value)
    kind = kind or "f64"
    return f"{kind}::NAN" if math.isnan(value) else f"{'-' if value < 0 else ''}{kind}::INFINITY"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


papermill_translators.register("rust", RustTranslator)
