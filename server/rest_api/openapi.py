"""The OpenAPI 3.0 document, generated from the routes and their models.

It is 3.0 and not 3.1, because client generators do not understand the nullable types of 3.1.

The core and each plugin have a part of their own, so that a plugin whose models cannot be described affects no other
part. The build makes the part of each plugin as well, and refuses a plugin for which this fails.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core.build_info import BuildInfo
from core.endpoints import JSON, LONGEST_KEY, REST_PREFIX, Repeat, RestRoute
from core.migration import sql_name
from core.openapi import OpenApiFragment
from core.rest_model import ErrorBody, needs_body

COMPONENTS = "#/components/schemas/"
CORE = ""
"""The name of the core's part."""

_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_ERRORS = {
    "400": "The request does not fit; the text names the field.",
    "401": "The credentials are missing or not valid.",
    "403": "The caller may not do this.",
    "404": "There is no such resource that the caller may see.",
    "429": "A limit is exceeded; the text names it.",
    "503": "The database does not answer at the moment; try again.",
}
_ERRORS_OF_CHANGES = {
    "409": "The state of the resource does not allow this, or its name or key belongs to another resource.",
    "413": "The body, or a part of it, is too large.",
}
_REUSED_KEY = "The Idempotency-Key belongs to an earlier request with another content."
_REPEATED = {
    Repeat.SAME: "Sent again, it changes nothing more.",
    Repeat.LAST: "Sent again at once, it changes nothing more; sent again later, it overwrites changes that others made"
    " in between, unless it has an Idempotency-Key.",
    Repeat.COUNTS: "Each request counts, unless it has an Idempotency-Key.",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the core or of a plugin, of JSON values only."""

    paths: Mapping[str, Mapping[str, Any]]
    schemas: Mapping[str, Any]
    tags: Mapping[str, str]


def document(
    build_info: BuildInfo, routes: Sequence[RestRoute], fragments: Mapping[str, OpenApiFragment]
) -> dict[str, Any]:
    """Return the document of all routes with the additions of plugins, of JSON values only.

    The schemas of a plugin have its name and a dot in front, and its operations have a tag with its name. The part of a
    plugin that cannot be made is left out, and the plugin is named in the log.
    """
    by_owner: dict[str, list[RestRoute]] = {CORE: []}
    for route in routes:
        by_owner.setdefault(_plugin_of(route), []).append(route)
    parts = [part(CORE, by_owner[CORE], OpenApiFragment())]
    for plugin in sorted((by_owner.keys() | fragments.keys()) - {CORE}):
        try:
            parts.append(part(plugin, by_owner.get(plugin, []), fragments.get(plugin, OpenApiFragment())))
        except Exception:  # noqa: BLE001 - a failing plugin must not affect the others
            _log.exception("plugin %r: its part of the OpenAPI document cannot be made and is left out", plugin)
    return {
        "openapi": "3.0.3",
        "info": {"title": f"flovyn-server, edition {build_info.edition}", "version": build_info.version},
        "tags": [
            {"name": name, **({"description": text} if text else {})}
            for name, text in sorted(tag for each in parts for tag in each.tags.items())
        ],
        "security": [{"bearer": []}],
        "paths": dict(sorted(pair for each in parts for pair in each.paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted(pair for each in parts for pair in each.schemas.items())),
        },
    }


def part(plugin: str, routes: Sequence[RestRoute], fragment: OpenApiFragment) -> Part:
    """Return the part of the document for the routes of a plugin or of the core.

    Raises:
        Exception: pydantic cannot describe a model, or a value is no JSON value.
    """
    schemas, references = _schemas(plugin, routes)
    paths: dict[str, dict[str, Any]] = {}
    ids = _operation_ids(plugin, routes)
    for route in routes:
        operation = {"operationId": ids[route.method, route.path], **_operation(route, references, schemas)}
        more = fragment.operations.get(f"{route.method} {route.path.removeprefix(REST_PREFIX + plugin)}", {})
        operation |= _prefixed(more, plugin, fragment.schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    for name, schema in fragment.schemas.items():
        schemas[_own(plugin, name)] = _prefixed(schema, plugin, fragment.schemas)
    _drop_flattened(paths, schemas, {references[each.query_model] for each in routes if each.query_model is not None})
    tags = dict.fromkeys(sorted({route.tag for route in routes if route.tag}), "")
    tags |= {name: fragment.description for name in tags if name == plugin}
    json.dumps([paths, schemas, tags])
    return Part(paths, schemas, tags)


def _drop_flattened(paths: Mapping[str, Any], schemas: dict[str, Any], queries: set[str]) -> None:
    """Remove the schemas of queries, whose members are parameters, unless another schema refers to them."""
    used = set(_references([paths, schemas]))
    for reference in queries - used:
        del schemas[reference.removeprefix(COMPONENTS)]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from [member] if key == "$ref" and isinstance(member, str) else _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def _operation(
    route: RestRoute, references: Mapping[type[BaseModel], str], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    def schema(model: type[BaseModel]) -> dict[str, Any]:
        return {"$ref": references[model]}

    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.tag] if route.tag else [],
        "parameters": [
            *_path_parameters(route),
            *_query_parameters(route, references, schemas),
            *_header_parameters(route),
        ],
        "responses": {str(status): _success(route, status, schema) for status in (route.status, *route.more_statuses)},
    }
    if route.repeated in _REPEATED:
        operation["description"] = _REPEATED[route.repeated]
    if route.is_open:
        operation["security"] = []
    if route.request_model is not None:
        content = {JSON: {"schema": schema(route.request_model)}}
        operation["requestBody"] = {"required": needs_body(route.request_model), "content": content}
    error = {JSON: {"schema": {"$ref": COMPONENTS + ErrorBody.__name__}}}
    problems = _ERRORS if route.method == "GET" else _ERRORS | _ERRORS_OF_CHANGES
    if route.repeated.takes_key:
        problems = problems | {"422": _REUSED_KEY}
    for status, text in sorted(problems.items()):
        operation["responses"][status] = {"description": text, "content": error}
    return operation


def _success(route: RestRoute, status: int, schema: Any) -> dict[str, Any]:
    if status == 204:  # noqa: PLR2004 - the status without a body
        return {"description": "Done."}
    content: dict[str, Any] = {}
    for media_type in route.produces:
        modelled = media_type == JSON and route.response_model is not None
        content[media_type] = {"schema": schema(route.response_model)} if modelled else {}
    return {"description": "Success.", "content": content}


def _operation_ids(plugin: str, routes: Sequence[RestRoute]) -> dict[tuple[str, str], str]:
    """Return an identifier for each route: the words of its path, and a number where two routes have the same words.

    Two underscores end the name of a plugin, so that ``/c`` of ``a-b`` and ``/b/c`` of ``a`` differ.
    """
    place = f"{REST_PREFIX}{plugin}/" if plugin else "/api/v1/"
    owner = f"p_{sql_name(plugin)}__" if plugin else ""
    made: dict[tuple[str, str], str] = {}
    for route in routes:
        words = "_".join(re.findall(r"[A-Za-z0-9]+", route.path.removeprefix(place)))
        identifier = base = f"{route.method.lower()}_{owner}{words}"
        number = 2
        while identifier in made.values():
            identifier, number = f"{base}_{number}", number + 1
        made[route.method, route.path] = identifier
    return made


def _path_parameters(route: RestRoute) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(
    route: RestRoute, references: Mapping[type[BaseModel], str], schemas: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if route.query_model is None:
        return
    schema = schemas[references[route.query_model].removeprefix(COMPONENTS)]
    for name, member in schema.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": member}


def _header_parameters(route: RestRoute) -> Iterator[dict[str, Any]]:
    if not route.repeated.takes_key:
        return
    text = "A text that the caller chooses for this request. Sent again with it, the request gets the same answer."
    if route.secret_answer:
        text = (
            "A text that the caller chooses for this request. The answer holds a secret and is not stored: sent again"
        )
        text += " with this text, the request is refused with 409."
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}
    yield {"name": "Idempotency-Key", "in": "header", "required": False, "description": text, "schema": schema}


def _schemas(plugin: str, routes: Sequence[RestRoute]) -> tuple[dict[str, Any], dict[type[BaseModel], str]]:
    """Return the schemas of a plugin or of the core by name, and the reference of each model."""
    modes: dict[type[BaseModel], str] = {} if plugin else {ErrorBody: "serialization"}
    for route in routes:
        for model in (route.request_model, route.query_model):
            if model is not None:
                modes[model] = "validation"
        if route.response_model is not None:
            modes.setdefault(route.response_model, "serialization")
    pairs: Any = list(modes.items())
    made, definitions = models_json_schema(pairs, by_alias=True, ref_template=COMPONENTS + _own(plugin, "{model}"))
    schemas = {_own(plugin, name): _as_30(schema) for name, schema in definitions.get("$defs", {}).items()}
    return schemas, {model: made[model, mode]["$ref"] for model, mode in pairs}


def _own(plugin: str, name: str) -> str:
    return f"{sql_name(plugin)}.{name}" if plugin else name


def _plugin_of(route: RestRoute) -> str:
    if not route.path.startswith(REST_PREFIX):
        return ""
    return route.path.removeprefix(REST_PREFIX).partition("/")[0]


def _prefixed(part: Any, plugin: str, schemas: Mapping[str, Any]) -> Any:
    """Return a part of a fragment with the plugin's name in its references to the plugin's schemas."""
    if isinstance(part, Mapping):
        return {key: _prefixed(value, plugin, schemas) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_prefixed(value, plugin, schemas) for value in part]
    if isinstance(part, str) and part.startswith(COMPONENTS) and part.removeprefix(COMPONENTS) in schemas:
        return COMPONENTS + _own(plugin, part.removeprefix(COMPONENTS))
    return part


def _as_30(schema: Any) -> Any:
    """Return a JSON schema in the form of OpenAPI 3.0."""
    if isinstance(schema, list):
        return [_as_30(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _as_30(value) for key, value in schema.items() if key not in {"const", "title", "examples"}}
    if isinstance(schema.get("properties"), dict):  # a member may be called like a keyword
        made["properties"] = {name: _as_30(member) for name, member in schema["properties"].items()}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in made:
            made[bound.lower()] = made[f"exclusive{bound}"]
            made[f"exclusive{bound}"] = True
    choices = made.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        del made["anyOf"]
        rest = [choice for choice in choices if choice != {"type": "null"}]
        made |= rest[0] if len(rest) == 1 and "$ref" not in rest[0] else {"anyOf": rest}
        made["nullable"] = True
    if "$ref" in made and len(made) > 1:
        made = {"allOf": [{"$ref": made.pop("$ref")}], **made}
    return made
