"""The OpenAPI document where plugins' parts are odd; the whole document is validated with a server around it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict

from core.auth import Action
from core.build_info import BuildInfo
from core.endpoints import REST_PREFIX, RestRoute
from core.errors import PluginError
from core.openapi import OpenApiFragment
from core.plugin import Plugin
from core.rest_model import RestModel
from editions.tools.describe_plugin import describe
from server.rest_api.openapi import document


class Filter(RestModel):
    """Used as a query."""

    text: str = ""


class Saved(RestModel):
    """A body with a query in it."""

    filter: Filter


class Unbuildable(BaseModel):
    """Has no JSON schema."""

    model_config = ConfigDict(arbitrary_types_allowed=True, defer_build=True)
    call: Callable[[], None]


async def _handler(_request: Any, _response: Any, **_parameters: Any) -> None:
    """Do nothing."""


def _route(plugin: str, path: str, method: str = "GET", **more: Any) -> RestRoute:
    tag = plugin or "core"
    place = f"{REST_PREFIX}{plugin}{path}" if plugin else path
    return RestRoute(method, place, _handler, Action.VIEW, "x", "S", tag=tag, **more)


def _made(*routes: RestRoute, **fragments: OpenApiFragment) -> Any:
    made = document(BuildInfo("test", "0", "3.11", ""), routes, fragments)
    validate(json.loads(json.dumps(made)))
    return made


@pytest.mark.parametrize(
    "places",
    [[("x", "/i/{id}"), ("x", "/i/id")], [("a", "/b/c"), ("a-b", "/c")], [("a", "/b-c"), ("a", "/b/c"), ("a", "/b_c")]],
)
def test_every_operation_has_an_identifier_of_its_own(places: list[tuple[str, str]]) -> None:
    """Also where paths consist of the same words: client generators make one method of each."""
    made = _made(*(_route(*place) for place in places))
    assert len({each["get"]["operationId"] for each in made["paths"].values()}) == len(places)


@pytest.mark.parametrize("other", [{"request_model": Filter}, {"response_model": Saved}], ids=str)
def test_a_query_that_is_also_a_body_keeps_its_schema(other: dict[str, Any]) -> None:
    """A model is removed when it is nothing but a query, and only then: no reference leads nowhere."""
    alone = _route("", "/api/v1/a", query_model=Filter)
    assert "Filter" not in _made(alone)["components"]["schemas"]
    assert "Filter" in _made(alone, _route("", "/api/v1/b", "POST", **other))["components"]["schemas"]


BROKEN = [
    ({"response_model": Unbuildable}, OpenApiFragment()),
    ({}, OpenApiFragment(schemas={"X": {"type": object()}})),
    ({}, OpenApiFragment(operations={"GET /a": {"x": object()}})),
]


@pytest.mark.parametrize(("more", "fragment"), BROKEN, ids=str)
def test_a_part_that_cannot_be_made_is_left_out(
    more: dict[str, Any], fragment: OpenApiFragment, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody else's stays, and the log says whose is missing."""
    with caplog.at_level(logging.ERROR):
        made = _made(_route("", "/api/v1/a"), _route("good", "/a"), _route("bad", "/a", **more), bad=fragment)
    assert list(made["paths"]) == ["/api/v1/a", "/api/v1/p/good/a"]
    assert [each.getMessage().split(":")[0] for each in caplog.records] == ["plugin 'bad'"]


@pytest.mark.parametrize(("more", "fragment"), BROKEN, ids=str)
def test_a_part_that_cannot_be_made_is_refused_by_the_build(
    more: dict[str, Any], fragment: OpenApiFragment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its author hears of it first."""
    route = RestRoute("GET", "/a", _handler, Action.VIEW, "x", "S", **more)
    members = {"rest_routes": lambda *_: [route], "openapi": lambda _: fragment}
    monkeypatch.setitem(globals(), "Bad", type("Bad", (Plugin,), {"name": "bad", "version": "1", **members}))
    with pytest.raises(PluginError, match="'bad': openapi failed"):
        describe(f"{__name__}:Bad")


def test_every_operation_says_what_a_refusal_looks_like() -> None:
    """One form for all of them, whatever the status."""
    responses = _made(_route("", "/api/v1/a"))["paths"]["/api/v1/a"]["get"]["responses"]
    form = {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
    assert {
        status: each["content"]["application/json"] for status, each in responses.items() if status != "200"
    } == dict.fromkeys(("400", "401", "403", "404", "429", "503"), form)
