"""Additions of a plugin to the OpenAPI document, beyond its routes and their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class OpenApiFragment:
    """A part of an OpenAPI 3.0 document, in the plugin's own names.

    Paths, operations and schemas of routes come from ``RestRoute`` and its models; a fragment describes what those
    cannot. The server prefixes everything: a schema ``Greeting`` of the plugin ``hello-world`` becomes
    ``hello_world.Greeting``, and references to it follow.

    Attributes:
        description: of the plugin's tag, under which all of its operations stand.
        schemas: further schemas by name.
        operations: by method and the route's relative path (``"POST /greetings"``), members of the operation to add or
            replace, such as ``description``, ``responses`` or ``requestBody``.
    """

    description: str = ""
    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    operations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
