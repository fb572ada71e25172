"""The meanings of the settings, read from the docstrings of the models: as texts, as JSON schema, as tables of limits.

The docstring of a model begins with the purpose of the table. Its section ``Attributes:`` has the meaning of each key.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.json_schema import GenerateJsonSchema

from core.limits import LIMITS
from core.settings import ConfigSection
from server.config.auth import ACCEPTED_AUTH_TABLES
from server.config.limits import Limits
from server.config.settings import Settings

_ATTRIBUTES = re.compile(r"^Attributes:\n", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_OTHERS = {
    "type": "object",
    "description": "of another program, or of a plugin that is not in this edition; not read",
}
_OPEN = {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}, "minItems": 1}]}


def description_of(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Return the purpose of a table and the meanings of its keys, without double backquotes."""
    about, *rest = _ATTRIBUTES.split(inspect.cleandoc(model.__doc__ or "").replace("``", ""), maxsplit=1)
    meanings = {name: " ".join(text.split()) for name, text in _ENTRY.findall("".join(rest))}
    meanings |= {name: field.description for name, field in model.model_fields.items() if field.description}
    return " ".join(about.split("\n\n", maxsplit=1)[0].split()), meanings


def older_names(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield each older name of a key, after the name of the key."""
    for name, field in model.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices):
            yield from ((name, str(choice)) for choice in field.validation_alias.choices if choice != name)


class DescribedSchema(GenerateJsonSchema):
    """A JSON schema with the meanings of the keys, and with their older names."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of one model."""
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        made["description"], meanings = description_of(model)
        properties = made.get("properties", {})
        for name in properties.keys() & meanings.keys():
            properties[name]["description"] = meanings[name]
        for name, older in older_names(model):
            properties[older] = {**properties[name], "deprecated": True}
        return made


def json_schema(title: str, sections: Mapping[str, ConfigSection]) -> dict[str, Any]:
    """Return the JSON schema of the configuration file.

    Nothing at the top is required: the environment may hold it.

    Args:
        title: title of the schema.
        sections: the sections of plugins, by the plugin's name with underscores.
    """
    schema = Settings.model_json_schema(schema_generator=DescribedSchema)
    definitions = schema["$defs"]
    own: dict[str, Any] = {}
    auth = definitions["Auth"]["properties"]
    auth |= dict.fromkeys(ACCEPTED_AUTH_TABLES, _OTHERS)
    for name, section in sections.items():
        own[name] = _section(name, section, definitions)
        for place in section.also_read:
            table, _, key = place.rpartition(".")
            if table == "auth":
                auth[key] = {"$ref": f"#/properties/plugins/properties/{name}", "deprecated": True}
    schema["properties"]["plugins"] = {"type": "object", "properties": own, "additionalProperties": _OTHERS}
    del schema["required"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": title,
        "additionalProperties": _OPEN,
    }


def _section(name: str, section: ConfigSection, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a plugin's table; add its definitions to ``definitions`` with the plugin's name in front."""
    template = f"#/$defs/{name}.{{model}}"
    made = section.model.model_json_schema(schema_generator=DescribedSchema, ref_template=template)
    definitions |= {f"{name}.{key}": value for key, value in made.pop("$defs", {}).items()}
    return {**made, "additionalProperties": False}


def limit_tables(limits: Limits) -> str:
    """Return the tables of ``docs/limits.md`` in Markdown: the fixed limits, and the settings with their values."""
    return "\n".join([*_fixed_limits(), "", *_limit_settings(limits)]) + "\n"


def _fixed_limits() -> Iterator[str]:
    yield from ("| limit of | at most | more is answered with |", "|---|---|---|")
    for each in LIMITS:
        yield f"| {each.thing} | {f'{each.value:,} {each.unit}'.strip()} | {each.refusal} |"


def _limit_settings(limits: Limits) -> Iterator[str]:
    meanings = description_of(Limits)[1]
    yield from ("| setting in `[limits]` | value | meaning |", "|---|---|---|")
    for name, value in limits:
        yield f"| `{name}` | {value:,} | {meanings[name].rstrip('.')} |"
