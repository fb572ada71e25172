"""What each setting means, as the docstrings of the models say it, and the JSON schema made of that.

A model's docstring begins with what the table is for; below ``Attributes:`` it says what each key means.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.json_schema import GenerateJsonSchema

from core.settings import ConfigSection
from server.config.auth import ACCEPTED_AUTH_TABLES
from server.config.settings import Settings

_ATTRIBUTES = re.compile(r"^Attributes:\n", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_OTHERS = {"type": "object", "description": "of another program, or of a plugin that this edition lacks; not read"}
_OPEN = {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}, "minItems": 1}]}


def described(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Return what a table is for and what its keys mean; double backquotes are left out."""
    about, *rest = _ATTRIBUTES.split(inspect.cleandoc(model.__doc__ or "").replace("``", ""), maxsplit=1)
    meanings = {name: " ".join(text.split()) for name, text in _ENTRY.findall("".join(rest))}
    meanings |= {name: field.description for name, field in model.model_fields.items() if field.description}
    return " ".join(about.split("\n\n", maxsplit=1)[0].split()), meanings


def older_names(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the name of a key and another spelling of it, for every other spelling."""
    for name, field in model.model_fields.items():
        if isinstance(field.validation_alias, AliasChoices):
            yield from ((name, str(choice)) for choice in field.validation_alias.choices if choice != name)


class DescribedSchema(GenerateJsonSchema):
    """Puts the meanings beside the keys, and the other spellings beside the newest."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of one model."""
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        made["description"], meanings = described(model)
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
        title: of the schema.
        sections: what plugins read, by the plugin's name with underscores.
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
    """Return the schema of a plugin's table; what it refers to goes into ``definitions`` below the plugin's name."""
    template = f"#/$defs/{name}.{{model}}"
    made = section.model.model_json_schema(schema_generator=DescribedSchema, ref_template=template)
    definitions |= {f"{name}.{key}": value for key, value in made.pop("$defs", {}).items()}
    return {**made, "additionalProperties": False}
