"""The Helm chart's values: each is described and checked by the schema, and the chart follows the server's version."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CHART = Path("deploy/helm/flovyn-server")
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def described(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name), inner
        yield from described(inner, (*path, name))


def given(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in values.items():
        yield (*path, name)
        if isinstance(inner, dict):
            yield from given(inner, (*path, name))


def test_the_defaults_fit_the_schema() -> None:
    """The schema is one itself, and the chart's own values pass it."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(VALUES)


def test_every_value_is_described() -> None:
    """Each value of the file has a place in the schema, in words; each place but Helm's own has a default."""
    places = dict(described(SCHEMA))
    assert [path for path, schema in places.items() if not schema.get("description")] == []
    free = {path for path, schema in places.items() if schema["type"] == "object" and "properties" not in schema}
    listed = {path for path in given(VALUES) if not any(path[: len(each)] == each and path != each for each in free)}
    assert listed == places.keys() - {("global",)}


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("replica",), 2),
        (("replicas",), 0),
        (("image", "digest"), "latest"),
        (("existingSecret",), ""),
        (("service", "type"), "Headless"),
        (("shutdown", "spareSeconds"), 5),
        (("podDisruptionBudget", "minAvailable"), "half"),
        (("podMonitor", "port"), 70000),
        (("env", "log__level"), "debug"),
        (("horizontalPodAutoscaler", "targetCpu"), 0),
    ],
)
def test_wrong_values_are_refused(path: tuple[str, ...], wrong: object) -> None:
    """A misspelt name and a value that cannot work fail before anything is installed."""
    values = copy.deepcopy(VALUES)
    place = values
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = wrong
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(values)


def test_the_chart_installs_this_version() -> None:
    """Without a tag, the image is the one of the version that the source has."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == Path("VERSION").read_text().strip()
