"""What Jupyter asks of a kernel besides running cells, put right where evcxr answers otherwise than it is meant, or not at all."""

import re

from source import OURS

# evcxr leaves these without an answer, for which VS Code and `jupyter console` wait.
UNANSWERED = {
    "comm_info_request": ("comm_info_reply", {"status": "ok", "comms": {}}),
    "history_request": ("history_reply", {"status": "ok", "history": []}),
}


def ask(message):
    """Changes a question on its way to evcxr."""
    if message["header"]["msg_type"] == "inspect_request":
        message["content"] = behind_word(**message["content"])


def answered(message):
    """Changes an answer on its way to Jupyter."""
    kind, content = message["header"]["msg_type"], message["content"]
    if kind == "kernel_info_reply":
        language = content["language_info"]
        # evcxr misspells it, so that `nbconvert` would not know by what to colour the cells.
        language["pygments_lexer"] = language.pop("pygment_lexer", "rust")
    elif kind == "complete_reply":
        without_ours(content)


def behind_word(code, cursor_pos, **more):
    """evcxr knows what a name means only when the cursor is behind it."""
    return {"code": code, "cursor_pos": cursor_pos + re.match(r"\w*", code[cursor_pos:]).end(), **more}


def without_ours(content):
    """Completions without the names that are put into cells, by the relay and by evcxr."""
    ours = (OURS, "evcxr_", "Evcxr")
    content["matches"] = [one for one in content.get("matches", []) if not one.startswith(ours)]
    types = content.get("metadata", {}).get("_jupyter_types_experimental")
    if types:
        content["metadata"]["_jupyter_types_experimental"] = [
            one for one in types if not one.get("text", "").startswith(ours)]
