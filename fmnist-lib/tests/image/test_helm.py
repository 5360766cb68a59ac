"""The values for JupyterHub's Helm chart, as Helm checks them: over the chart's own values, by the chart's schema."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from classroom import HUB_IMAGE
from conftest import REPOSITORY, command

CHART = json.loads(Path(__file__).with_name("zero-to-jupyterhub-4.4.0.json").read_text())
VALUES = yaml.safe_load((REPOSITORY / "notebooks" / "hub" / "kubernetes.yaml").read_text())


def validate(values):
    jsonschema.validate(merged(CHART["values"], values), CHART["schema"])


def merged(below, above):
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {name: merged(below.get(name), value) for name, value in above.items()}
    return above


def paths(values, above=()):
    """The path to every value."""
    for name, value in values.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from paths(value, (*above, name))


PATHS = [path for path in paths(VALUES) if path[:2] != ("hub", "config") or len(path) == 2]


def test_the_values_are_as_the_schema_wants_them():
    validate(VALUES)


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_what_is_misspelt_would_be_found(path):
    values = copy.deepcopy(VALUES)
    holder = values
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1] + "s"] = holder.pop(path[-1])
    with pytest.raises(jsonschema.ValidationError):
        validate(values)


def test_jupyterhub_knows_the_rest():
    """What is below hub.config is for JupyterHub, and free by the schema."""
    known = command("docker", "run", "--rm", HUB_IMAGE, "jupyterhub", "--help-all")
    config = VALUES["hub"]["config"]
    assert config["JupyterHub"]["authenticator_class"] == "shared-password"
    for owner, settings in config.items():
        for name in settings:
            assert f"\n--{owner}.{name}=" in known, f"{owner}.{name}"
