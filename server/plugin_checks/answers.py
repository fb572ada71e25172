"""Checks the return values of a plugin's hooks before the server uses them.

Each function takes what a hook returned, and returns it in one form (tuples) or raises ``PluginError`` with the reason.
``hooks.ask`` adds the names of the plugin and the hook.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from core.endpoints import ALIAS_PREFIXES, REST_PREFIX, GrpcMethod, GrpcService, RestRoute, Scope
from core.errors import PluginError
from core.migration import PluginMigration, sql_name
from core.openapi import OpenApiFragment
from core.pages import FILES_FOLDER, ConsolePage, Site, SitePage
from core.settings import ConfigSection
from core.settings_model import fault

_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*|\{[a-z][a-z0-9_]*\}")
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_SITE = re.compile(r"/[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_NO_PARAMETERS = frozenset({"slug", "self", "request", "response"})
"""Names that are taken by the tenant's parameter and by the handler's own arguments."""

Kind = TypeVar("Kind")


def _adapters(kind: Any) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: TypeAdapter(hints[each.name]) for each in fields(kind)}


_CHECKS = {
    kind: _adapters(kind)
    for kind in (ConfigSection, ConsolePage, GrpcMethod, GrpcService, OpenApiFragment, SitePage, RestRoute)
}
"""Checks of each field of the values that plugins return, made from the field's annotation."""


def several(answer: Any, kind: type[Kind]) -> tuple[Kind, ...]:
    """Return a list or tuple of ``kind`` as a tuple."""
    if not isinstance(answer, list | tuple):
        raise PluginError(f"returned {type(answer).__name__}; it must return a list of {kind.__name__}")
    for each in answer:
        if not isinstance(each, kind):
            raise PluginError(f"returned a list with {type(each).__name__} in it, not with {kind.__name__} only")
    return tuple(answer)


def names(answer: Any) -> tuple[str, ...]:
    """Return names of authenticators or authorizers."""
    found = several(answer, str)
    for name in found:
        if not _NAME.fullmatch(name):
            raise PluginError(f"{name!r} is not a name: use lower-case words joined by underscores")
    return found


def made(answer: Any, wanted: tuple[str, ...], kind: type[Kind]) -> dict[str, Kind]:
    """Return the wanted members of a mapping, each of ``kind``."""
    if not isinstance(answer, Mapping):
        raise PluginError(f"returned {type(answer).__name__}; it must return a mapping of names to {kind.__name__}")
    for name in wanted:
        if not isinstance(answer.get(name), kind):
            raise PluginError(f"{name!r} is in the list of names, but not returned, or is no {kind.__name__}")
    return {name: answer[name] for name in wanted}


def one(answer: Any, kind: type[Kind]) -> Kind | None:
    """Return one value of ``kind``, or None."""
    if answer is not None and not isinstance(answer, kind):
        raise PluginError(f"returned {type(answer).__name__}; it must return {kind.__name__} or None")
    return answer


def migrations(answer: Any) -> tuple[PluginMigration, ...]:
    """Return migrations."""
    return several(answer, PluginMigration)


def section(answer: Any) -> ConfigSection | None:
    """Return the model and the sources of a plugin's settings."""
    found = one(answer, ConfigSection)
    if found is None:
        return None
    wrong = mistyped(found)
    if wrong:
        raise PluginError(wrong)
    wrong = fault(found.model)
    if wrong:
        raise PluginError(f"the model of the settings: {wrong}")
    for place in found.also_read:
        if not _PLACE.fullmatch(place) or place == "plugins":
            raise PluginError(f"also_read: {place!r} is no table, such as 'auth.worker_token'")
    for variable, key in found.environment.items():
        if not variable or key not in found.model.model_fields:
            raise PluginError(f"environment: {variable!r}: the model has no field {key!r}")
    return found


def routes(answer: Any, plugin: str) -> tuple[RestRoute, ...]:
    """Return the routes with their final paths, below the plugin's prefix."""
    return tuple(_mounted(plugin, route) for route in several(answer, RestRoute))


def site(answer: Any) -> Site | None:
    """Return the pages of a plugin, whose files exist."""
    found = one(answer, Site)
    if found is None:
        return None
    if not isinstance(found.place, str) or not _SITE.fullmatch(found.place):
        raise PluginError(f"the place {found.place!r} is not one segment in lower case, such as '/hello-world'")
    pages = several(found.pages, SitePage)
    for page in pages:
        wrong = mistyped(page) or _wrong_page(found, page)
        if wrong:
            raise PluginError(f"page {page.path!r}: {wrong}")
    if found.sign_in and found.sign_in not in [page.path for page in pages if page.is_open]:
        raise PluginError(f"sign_in: {found.sign_in!r} is not the path of an open page")
    if found.is_home and "" not in [page.path for page in pages]:
        raise PluginError("is_home: there is no page with an empty path, to which '/' could lead")
    return replace(found, pages=pages)


def console_pages(answer: Any, pages: Site | None) -> tuple[ConsolePage, ...]:
    """Return pages of the console, whose modules are files of the plugin's site."""
    found = several(answer, ConsolePage)
    for page in found:
        wrong = mistyped(page)
        if not wrong and not (_is_path(page.path) and "{" not in page.path):
            wrong = "write a path such as '/greetings', without parameters"
        if not wrong and (pages is None or not pages.folder.joinpath(page.module).is_file()):
            wrong = f"the plugin's site has no file {page.module!r}"
        if wrong:
            raise PluginError(f"console page {page.path!r}: {wrong}")
    return found


def services(answer: Any, plugin: str) -> tuple[GrpcService, ...]:
    """Return gRPC services, each of the plugin's package."""
    found = several(answer, GrpcService)
    for service in found:
        _check_service(plugin, service)
    return found


def fragment(answer: Any, plugin: str, mounted: tuple[RestRoute, ...]) -> OpenApiFragment:
    """Return a plugin's additions to the OpenAPI document; each operation is one of its routes."""
    found = one(answer, OpenApiFragment) or OpenApiFragment()
    wrong = mistyped(found)
    if wrong:
        raise PluginError(wrong)
    known = {f"{route.method} {route.path.removeprefix(REST_PREFIX + plugin)}" for route in mounted}
    unknown = sorted(map(str, found.operations.keys() - known))
    if unknown:
        raise PluginError(f"there is no route for the operation {', '.join(unknown)}; write it like 'POST /items'")
    return found


def _mounted(plugin: str, route: RestRoute) -> RestRoute:
    problem = mistyped(route) or _wrong_place(route) or _wrongly_open(route) or _wrong_handler(route)
    if problem:
        raise PluginError(f"route {route.method} {route.path!r}: {problem}")
    return replace(route, path=f"{REST_PREFIX}{plugin}{route.path}", tag=plugin)


def mistyped(value: Any) -> str:
    """Return the first field of a dataclass that does not hold its annotation, and why; '' when all of them do."""
    for name, adapter in _CHECKS[type(value)].items():
        try:
            adapter.validate_python(getattr(value, name), strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return f"{'.'.join(map(str, (name, *first['loc'])))}: {first['msg']}; it is {first['input']!r}"
    return ""


def _wrong_place(route: RestRoute) -> str:
    if not _is_path(route.path) or "{slug}" in route.path:
        return "write a path relative to the plugin, such as '/items/{id}'; the tenant is the caller's, not a parameter"
    if route.path.split("/")[1] == "api":
        return "the path begins with /api/, which the server puts in front of it by itself; write it without its prefix"
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


def _wrongly_open(route: RestRoute) -> str:
    if route.is_open and (route.scope is not Scope.ANYBODY or route.aliases):
        return "an open route belongs to no tenant: its scope is Scope.ANYBODY, and it has no aliases"
    return ""


def _wrong_page(owner: Site, page: SitePage) -> str:
    if page.path and (not _is_path(page.path) or "{slug}" in page.path):
        return "write a path relative to the site's place, such as '/runs/{id}', or an empty one"
    if page.path.split("/")[1:2] == [FILES_FOLDER]:
        return f"/{FILES_FOLDER} is where the files of the site are"
    if not page.file.endswith(".html") or not owner.folder.joinpath(page.file).is_file():
        return f"the folder of the site has no file {page.file!r}, or it is no .html file"
    return ""


def _wrong_handler(route: RestRoute) -> str:
    if not callable(route.handler):
        return "the handler cannot be called"
    try:
        inspect.signature(route.handler).bind(None, None, **dict.fromkeys(_PARAMETER.findall(route.path), ""))
    except TypeError as error:
        return f"the handler does not take a request, a response and the path's parameters: {error}"
    except ValueError:
        return ""  # a callable without a signature, such as one of an extension
    return ""


def _is_path(path: str) -> bool:
    segments = path.split("/")
    return len(segments) > 1 and not segments[0] and all(_SEGMENT.fullmatch(each) for each in segments[1:])


def _check_service(plugin: str, service: GrpcService) -> None:
    package = f"flovyn.plugins.{sql_name(plugin)}.v1"
    known = getattr(service.descriptor, "methods_by_name", None)
    name = getattr(service.descriptor, "full_name", None)
    if known is None or not isinstance(name, str):
        raise PluginError(f"the descriptor must be a service's of a generated module, not {service.descriptor!r}")
    if name.rpartition(".")[0] != package:
        raise PluginError(f"the gRPC service {name!r} must be in the package {package}")
    wrong = mistyped(service)
    for method, offered in {} if wrong else service.methods.items():
        wrong = wrong or _wrong_method(known, method, offered)
    if wrong:
        raise PluginError(f"the gRPC service {name}: {wrong}")


def _wrong_method(known: Mapping[str, Any], method: str, offered: GrpcMethod) -> str:
    if method not in known:
        return f"{method}: the service declares no such method"
    if known[method].client_streaming:
        return f"{method}: streamed requests are not offered"
    wrong = mistyped(offered)
    return f"{method}: {wrong}" if wrong else ""
