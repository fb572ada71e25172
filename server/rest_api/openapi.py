"""The OpenAPI 3.0 document, made of the routes and their models; nothing of it is written by hand.

3.0 and not 3.1, because client generators stumble over 3.1's nullable types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core.build_info import BuildInfo
from core.contributions import REST_PREFIX
from core.endpoints import JSON, RestRoute
from core.migration import sql_name
from core.openapi import OpenApiFragment
from core.rest_model import ErrorBody
from server.rest_api.guard import needs_body

COMPONENTS = "#/components/schemas/"
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_ERRORS = {
    "400": "The request does not fit; the text names the field.",
    "401": "The credentials are missing or not valid.",
    "403": "The caller may not do this.",
    "404": "There is no such thing that the caller may see.",
    "429": "There are too many of these; the text says what the limit is.",
    "503": "The database does not answer at the moment; try again.",
}
_ERRORS_OF_CHANGES = {
    "409": "The thing is in a state that does not allow it, or its name or key belongs to another one.",
    "413": "The body, or a part of it, is too large.",
}


def document(
    build_info: BuildInfo, routes: Sequence[RestRoute], fragments: Mapping[str, OpenApiFragment]
) -> dict[str, Any]:
    """Return the document of all routes, with what plugins add to their own part; JSON values throughout.

    A plugin's schemas get its name and a dot in front; its operations stand under a tag of its name.
    """
    schemas, references = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, references, schemas)
        plugin = _plugin_of(route)
        if plugin in fragments:
            relative = route.path.removeprefix(f"{REST_PREFIX}{plugin}")
            more = fragments[plugin].operations.get(f"{route.method} {relative}", {})
            operation |= _prefixed(more, plugin, fragments[plugin].schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    for plugin, fragment in fragments.items():
        for name, schema in fragment.schemas.items():
            schemas[_own(plugin, name)] = _prefixed(schema, plugin, fragment.schemas)
    for owner, model in {(_plugin_of(route), route.query_model) for route in routes if route.query_model is not None}:
        del schemas[references[owner, model].removeprefix(COMPONENTS)]  # its members stand as parameters
    tags = dict.fromkeys(sorted({route.tag for route in routes if route.tag}), "")
    tags |= {name: fragment.description for name, fragment in fragments.items() if name in tags}
    return {
        "openapi": "3.0.3",
        "info": {"title": f"flovyn-server, edition {build_info.edition}", "version": build_info.version},
        "tags": [{"name": name, **({"description": text} if text else {})} for name, text in tags.items()],
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _operation(
    route: RestRoute, references: Mapping[tuple[str, type[BaseModel]], str], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    plugin = _plugin_of(route)

    def schema(model: type[BaseModel]) -> dict[str, Any]:
        return {"$ref": references[plugin, model]}

    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "tags": [route.tag] if route.tag else [],
        "parameters": [*_path_parameters(route), *_query_parameters(route, references, schemas)],
        "responses": {str(status): _success(route, status, schema) for status in (route.status, *route.more_statuses)},
    }
    if route.request_model is not None:
        content = {JSON: {"schema": schema(route.request_model)}}
        operation["requestBody"] = {"required": needs_body(route.request_model), "content": content}
    error = {JSON: {"schema": {"$ref": references["", ErrorBody]}}}
    problems = _ERRORS if route.method == "GET" else _ERRORS | _ERRORS_OF_CHANGES
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


def _operation_id(route: RestRoute) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path.removeprefix("/api/v1/"))
    return "_".join([route.method.lower(), *words])


def _path_parameters(route: RestRoute) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(
    route: RestRoute, references: Mapping[tuple[str, type[BaseModel]], str], schemas: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if route.query_model is None:
        return
    schema = schemas[references[_plugin_of(route), route.query_model].removeprefix(COMPONENTS)]
    for name, member in schema.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": member}


def _schemas(routes: Sequence[RestRoute]) -> tuple[dict[str, Any], dict[tuple[str, type[BaseModel]], str]]:
    """Return all schemas by name, and the reference of each model as a plugin, or the core (""), uses it."""
    models: dict[str, dict[type[BaseModel], str]] = {"": {ErrorBody: "serialization"}}
    for route in routes:
        of_owner = models.setdefault(_plugin_of(route), {})
        for model in (route.request_model, route.query_model):
            if model is not None:
                of_owner[model] = "validation"
        if route.response_model is not None:
            of_owner.setdefault(route.response_model, "serialization")
    schemas: dict[str, Any] = {}
    references: dict[tuple[str, type[BaseModel]], str] = {}
    for plugin, wanted in models.items():
        template = COMPONENTS + _own(plugin, "{model}")
        pairs: Any = list(wanted.items())
        made, definitions = models_json_schema(pairs, by_alias=True, ref_template=template)
        for name, schema in definitions.get("$defs", {}).items():
            schemas[_own(plugin, name)] = _as_30(schema)
        references |= {(plugin, model): made[model, mode]["$ref"] for model, mode in pairs}
    return schemas, references


def _own(plugin: str, name: str) -> str:
    return f"{sql_name(plugin)}.{name}" if plugin else name


def _plugin_of(route: RestRoute) -> str:
    if not route.path.startswith(REST_PREFIX):
        return ""
    return route.path.removeprefix(REST_PREFIX).partition("/")[0]


def _prefixed(part: Any, plugin: str, schemas: Mapping[str, Any]) -> Any:
    """Return a part of a fragment with its references to the plugin's own schemas prefixed."""
    if isinstance(part, Mapping):
        return {key: _prefixed(value, plugin, schemas) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_prefixed(value, plugin, schemas) for value in part]
    if isinstance(part, str) and part.startswith(COMPONENTS) and part.removeprefix(COMPONENTS) in schemas:
        return COMPONENTS + _own(plugin, part.removeprefix(COMPONENTS))
    return part


def _as_30(schema: Any) -> Any:
    """Return a JSON schema as OpenAPI 3.0 writes it."""
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
