"""An example of the configuration file, made of the models: every key with its default and its meaning.

A setting follows a bare ``#``, and prose follows ``# ``, as in the files of well-known servers. Without the bare signs
the file changes nothing, because it holds the defaults. A key without a value has no default.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from core.settings import ConfigSection
from core.settings_model import default_of, plain, table_of
from server.config.describe import DescribedSchema, description_of, older_names
from server.config.settings import Settings

WIDTH = 100
REQUIRED = "required"
_HEAD = """\
Settings of {title}. Every key is listed with its meaning. A line that begins with "#" and no space
is a setting with its default, or else with an example, or with no value where there is no default. To change a setting,
remove the sign. The environment wins: the variable of a key a.b is A__B. Put the name of the file into the variable
CONFIG_FILE, and check it with "config check FILE"."""


def example(title: str, sections: Mapping[str, ConfigSection]) -> str:
    """Return the file; ``sections`` are those of plugins, by the plugin's name with underscores."""
    lines = [*_prose(_HEAD.format(title=title)), "", *_table("", Settings)]
    for name, section in sections.items():
        lines += ["", *_headed(f"plugins.{name}", section.model), *_variables(section)]
    return "\n".join(lines) + "\n"


def _variables(section: ConfigSection) -> Iterator[str]:
    for variable, key in section.environment.items():
        yield from _prose(f"{variable} in the environment is another way to set {key}.")


def _headed(place: str, model: type[BaseModel], kind: str = "table") -> Iterator[str]:
    yield from _prose(description_of(model)[0])
    yield {"table": f"[{place}]", "list": f"#[[{place}]]", "map": f"#[{place}]"}[kind]
    yield from _table(place, model)


def _table(place: str, model: type[BaseModel]) -> Iterator[str]:
    """Yield the keys of a table, then its inner tables."""
    schema = model.model_json_schema(schema_generator=DescribedSchema)
    other = dict(older_names(model))
    meanings = description_of(model)[1]
    below: list[str] = []
    for name, field in model.model_fields.items():
        inner, kind = table_of(field.annotation)
        here = f"{place}.{name}" if place else name
        if inner is not None:
            below += ["", *_headed(f"{here}.name" if kind == "map" else here, inner, kind)]
        elif field.annotation == dict[str, Any]:
            below += ["", *_prose(meanings.get(name, "")), f"#[{here}]"]
        else:
            limits = _limits(schema["properties"][name], schema.get("$defs", {}))
            spelling = f"older name: {other[name]}" if name in other else ""
            required = REQUIRED if field.is_required() else ""
            yield from _prose("; ".join(filter(None, (meanings.get(name, "").rstrip("."), limits, spelling, required))))
            yield f"#{name} = {_value(field)}".rstrip()
    yield from below


def _value(field: FieldInfo) -> str:
    """Return the default, or else an example, or else an empty text, in TOML."""
    value = default_of(field)
    if value is None and field.examples:
        value = plain(field.examples[0])
    return "" if value is None else _toml(value)


def _toml(value: Any) -> str:
    """Return a JSON value in TOML on one line; TOML has no null, so members with None are left out."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items() if each is not None)
            + "}"
        )
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value if each is not None)}]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _limits(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the allowed values of a key in words; an empty text where its schema has no limits."""
    for choice in (schema, *schema.get("anyOf", ())):
        found = definitions.get(choice.get("$ref", "").rpartition("/")[2], choice)
        if "enum" in found:
            return f"one of {', '.join(map(str, found['enum']))}"
        low, high = found.get("minimum"), found.get("maximum")
        if low is not None:
            return f"at least {low}" if high is None else f"{low} to {high}"
        if "exclusiveMinimum" in found:
            return f"more than {found['exclusiveMinimum']}" + ("" if high is None else f", at most {high}")
    return ""


def _prose(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, WIDTH))
