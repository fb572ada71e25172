"""Checks what a plugin's hooks return, before anything uses it: a wrong answer is the plugin's mistake, said in words.

Each check returns the answer in one form (tuples) or raises ``PluginError`` with what is wrong. Whoever asks the hook
calls them as a part of that, and adds the names of the plugin and the hook.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from core.auth import Action
from core.endpoints import ALIAS_PREFIXES, REST_PREFIX, GrpcMethod, GrpcService, Repeat, RestRoute, Scope
from core.errors import PluginError
from core.migration import PluginMigration, sql_name
from core.openapi import OpenApiFragment
from core.settings import ConfigSection
from core.settings_model import fault

_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*|\{[a-z][a-z0-9_]*\}")
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_NO_PARAMETERS = frozenset({"slug", "self", "request", "response"})
"""Names that a handler's call has used up: the tenant's place, and falcon's two arguments."""

Kind = TypeVar("Kind")


def several(answer: Any, kind: type[Kind]) -> tuple[Kind, ...]:
    """Return a list or tuple of ``kind`` as a tuple."""
    if not isinstance(answer, list | tuple):
        raise PluginError(f"returned {type(answer).__name__}; a list of {kind.__name__} is wanted")
    for each in answer:
        if not isinstance(each, kind):
            raise PluginError(f"returned a list with {type(each).__name__} in it; a list of {kind.__name__} is wanted")
    return tuple(answer)


def names(answer: Any) -> tuple[str, ...]:
    """Return names of authenticators or authorizers."""
    found = several(answer, str)
    for name in found:
        if not _NAME.fullmatch(name):
            raise PluginError(f"{name!r} is not a name: use lower-case words joined by underscores")
    return found


def made(answer: Any, wanted: tuple[str, ...], kind: type[Kind]) -> dict[str, Kind]:
    """Return those of a mapping's members that are wanted, each of ``kind``."""
    if not isinstance(answer, Mapping):
        raise PluginError(f"returned {type(answer).__name__}; a mapping of names to {kind.__name__} is wanted")
    for name in wanted:
        if not isinstance(answer.get(name), kind):
            raise PluginError(f"{name!r} was announced and is not there, or is no {kind.__name__}")
    return {name: answer[name] for name in wanted}


def one(answer: Any, kind: type[Kind]) -> Kind | None:
    """Return a single thing of ``kind``, or None."""
    if answer is not None and not isinstance(answer, kind):
        raise PluginError(f"returned {type(answer).__name__}; {kind.__name__} or None is wanted")
    return answer


def migrations(answer: Any) -> tuple[PluginMigration, ...]:
    """Return migrations."""
    return several(answer, PluginMigration)


def section(answer: Any) -> ConfigSection | None:
    """Return where a plugin's settings come from."""
    found = one(answer, ConfigSection)
    if found is None:
        return None
    if not _is_model(found.model):
        raise PluginError(f"the model must be a pydantic model, not {found.model!r}")
    wrong = fault(found.model)
    if wrong:
        raise PluginError(f"the model of the settings: {wrong}")
    for place in several(found.also_read, str):
        if not _PLACE.fullmatch(place) or place == "plugins":
            raise PluginError(f"also_read: {place!r} is no table, such as 'auth.worker_token'")
    if not isinstance(found.environment, Mapping):
        raise PluginError("environment must map variables to keys of the model")
    for variable, key in found.environment.items():
        if not isinstance(variable, str) or not variable or key not in found.model.model_fields:
            raise PluginError(f"environment: {variable!r}: the model has no field {key!r}")
    return found


def routes(answer: Any, plugin: str) -> tuple[RestRoute, ...]:
    """Return the routes below their plugin's place."""
    return tuple(_mounted(plugin, route) for route in several(answer, RestRoute))


def services(answer: Any, plugin: str) -> tuple[GrpcService, ...]:
    """Return gRPC services, each of the plugin's package."""
    found = several(answer, GrpcService)
    for service in found:
        _check_service(plugin, service)
    return found


def fragment(answer: Any, plugin: str, mounted: tuple[RestRoute, ...]) -> OpenApiFragment:
    """Return what a plugin adds to the OpenAPI document, every operation one of its routes."""
    found = one(answer, OpenApiFragment) or OpenApiFragment()
    if not isinstance(found.description, str):
        raise PluginError("the description must be a text")
    for name, part in (("schemas", found.schemas), ("operations", found.operations)):
        if not isinstance(part, Mapping) or not all(isinstance(each, Mapping) for each in part.values()):
            raise PluginError(f"{name} must map names to objects of the document")
    known = {f"{route.method} {route.path.removeprefix(REST_PREFIX + plugin)}" for route in mounted}
    unknown = sorted(map(str, found.operations.keys() - known))
    if unknown:
        raise PluginError(f"there is no route for the operation {', '.join(unknown)}; write it like 'POST /items'")
    return found


def _mounted(plugin: str, route: RestRoute) -> RestRoute:
    problem = _wrong_type(route) or _wrong_repeat(route) or _wrong_place(route) or _wrong_handler(route)
    if problem:
        raise PluginError(f"route {route.method} {route.path!r}: {problem}")
    return replace(route, path=f"{REST_PREFIX}{plugin}{route.path}", tag=plugin)


def _wrong_type(route: RestRoute) -> str:
    """Say what is of another type than declared: a guard that compares with an enum's members must never see a text."""
    if route.method not in _METHODS:
        return f"the method must be one of {', '.join(_METHODS)}"
    for name, kind in (("action", Action), ("scope", Scope)):
        if not isinstance(getattr(route, name), kind):
            return f"{name} must be a member of {kind.__name__}, not {getattr(route, name)!r}"
    for name in ("path", "resource", "summary", "resource_id"):
        if not isinstance(getattr(route, name), str) or not getattr(route, name).strip():
            return f"it needs a {name}"
    for name in ("request_model", "query_model", "response_model"):
        if getattr(route, name) is not None and not _is_model(getattr(route, name)):
            return f"{name} must be a pydantic model, not {getattr(route, name)!r}"
    for name in ("produces", "aliases"):
        if not isinstance(getattr(route, name), list | tuple) or not all(map(_is_text, getattr(route, name))):
            return f"{name} must be a tuple of texts, not {getattr(route, name)!r}"
    right = isinstance(route.more_statuses, tuple) and all(map(_is_success, (route.status, *route.more_statuses)))
    return "" if right else "status and more_statuses must be numbers from 200 to 299"


def _wrong_repeat(endpoint: RestRoute | GrpcMethod) -> str:
    if not isinstance(endpoint.repeat, Repeat | None):
        return f"repeat must be a member of Repeat or None, not {endpoint.repeat!r}"
    return "" if isinstance(endpoint.secret_answer, bool) else "secret_answer must be True or False"


def _wrong_place(route: RestRoute) -> str:
    if not _is_path(route.path) or "{slug}" in route.path:
        return "write a path relative to the plugin, such as '/items/{id}'; the tenant is the caller's, not a parameter"
    parameters = _PARAMETER.findall(route.path)
    for name in parameters:
        if name in _NO_PARAMETERS or parameters.count(name) > 1:
            return f"the parameter {{{name}}} is taken; give it another name"
    for alias in route.aliases:
        prefix = next((each for each in ALIAS_PREFIXES if alias.startswith(each)), None)
        if prefix is None or not _is_path("/" + alias.removeprefix(prefix)):
            return f"the alias {alias!r} must lie below one of {', '.join(ALIAS_PREFIXES)}"
        if sorted(_PARAMETER.findall(alias.removeprefix(prefix))) != sorted(parameters):
            return f"the alias {alias!r} must have the same parameters as the path"
    return ""


def _wrong_handler(route: RestRoute) -> str:
    if not callable(route.handler):
        return "the handler cannot be called"
    try:
        inspect.signature(route.handler).bind(None, None, **dict.fromkeys(_PARAMETER.findall(route.path), ""))
    except TypeError as error:
        return f"the handler does not take a request, a response and the path's parameters: {error}"
    except ValueError:
        return ""  # it does not tell what it takes
    return ""


def _is_path(path: str) -> bool:
    segments = path.split("/")
    return len(segments) > 1 and not segments[0] and all(_SEGMENT.fullmatch(each) for each in segments[1:])


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _is_success(status: object) -> bool:
    return type(status) is int and 200 <= status < 300  # noqa: PLR2004 - HTTP's successes


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _check_service(plugin: str, service: GrpcService) -> None:
    package = f"flovyn.plugins.{sql_name(plugin)}.v1"
    known = getattr(service.descriptor, "methods_by_name", None)
    name = getattr(service.descriptor, "full_name", None)
    if known is None or not isinstance(name, str):
        raise PluginError(f"the descriptor must be a service's of a generated module, not {service.descriptor!r}")
    if name.rpartition(".")[0] != package:
        raise PluginError(f"the gRPC service {name!r} must be in the package {package}")
    if not isinstance(service.methods, Mapping):
        raise PluginError(f"the gRPC service {name}: methods must map names to GrpcMethod")
    for method, offered in service.methods.items():
        problem = _wrong_method(known, method, offered) or _wrong_repeat(offered)
        if problem:
            raise PluginError(f"the gRPC service {name}: {method}: {problem}")


def _wrong_method(known: Mapping[str, Any], method: Any, offered: Any) -> str:
    if method not in known:
        return "the service declares no such method"
    if known[method].client_streaming:
        return "streamed requests are not offered"
    if not isinstance(offered, GrpcMethod) or not callable(offered.handler):
        return "its GrpcMethod must have a handler that can be called"
    if offered.undelivered is not None and not callable(offered.undelivered):
        return "undelivered cannot be called"
    for name, kind in (("action", Action), ("scope", Scope)):
        if not isinstance(getattr(offered, name), kind):
            return f"{name} must be a member of {kind.__name__}, not {getattr(offered, name)!r}"
    texts = isinstance(offered.resource, str) and offered.resource and isinstance(offered.resource_id, str)
    return "" if texts else "resource and resource_id must be texts"
