"""Reads the body or the query string of a request: sizes and counts first, then JSON, then the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import falcon.asgi
from pydantic import BaseModel, ValidationError

from core.domain.json_shape import check_shape
from core.domain.payload import half_character
from core.errors import InvalidInput, TooLarge
from core.limits import MAX_BODY_BYTES, MAX_BODY_MEMBERS, MAX_PROBLEMS
from core.pacing import paced
from core.rest_model import needs_body
from server.engine.repeats import HEADER
from server.rest_api.text_gate import body_text

BODY = "the body"


def size_of(request: falcon.asgi.Request) -> int:
    """Return the size of the body as the head of the request says it; the largest one where the head does not."""
    if request.content_length is not None:
        return request.content_length
    return MAX_BODY_BYTES if request.get_header("transfer-encoding") else 0


async def body(request: falcon.asgi.Request, model: type[BaseModel]) -> BaseModel:
    """Read the body and validate it; a large one is parsed in its turn (``core.pacing``).

    Raises:
        TooLarge: it has more than ``MAX_BODY_BYTES``; one whose head says so is not read.
        InvalidInput: it is not JSON, has too many values, or does not fit the model.
    """
    data = b"" if size_of(request) > MAX_BODY_BYTES else await request.stream.read(MAX_BODY_BYTES + 1)
    if max(len(data), size_of(request)) > MAX_BODY_BYTES:
        raise TooLarge(f"{BODY} is larger than {MAX_BODY_BYTES} bytes")
    if HEADER in request.headers_lower:
        request.context.sent = data
    if not data and not needs_body(model):
        data = b"{}"
    parsed = await paced(len(data), partial(_parsed, data, request.content_type))
    return await paced(len(data), partial(fitting, model, parsed, BODY))


def fitting(model: type[BaseModel], data: Any, what: str) -> BaseModel:
    """Return ``data`` as a value of the model; ``what`` names the data in errors.

    Raises:
        InvalidInput: it does not fit; the text names the first problems.
    """
    _check_members(model, data, what)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(f"{what} does not fit: {_problems(error)}") from None
    except RecursionError:
        raise InvalidInput(f"{what} is nested too deeply") from None


def _parsed(data: bytes, content_type: str | None) -> Any:
    check_shape(data, BODY)
    text = body_text(data, content_type)
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{BODY} is not valid JSON") from None
    if "\\u" in text and (place := half_character(parsed, BODY)):
        raise InvalidInput(f"{place} holds half of a character (a lone surrogate), which cannot be stored")
    return parsed


def _problems(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in details[:MAX_PROBLEMS]]
    more = len(details) - len(shown)
    return "; ".join([*shown, *([f"and {more} problems more"] if more else [])])


def _check_members(model: type[BaseModel], data: Any, what: str) -> None:
    """Return when there are few values outside of payloads: every value can be a problem, which costs time to describe.

    Members of a model that may hold anything are payloads; they have limits of their own.
    """
    left = MAX_BODY_MEMBERS
    open_values = [data] if not isinstance(data, Mapping) else [_without_payloads(model, data)]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict | list):
            left -= len(value)
            if left < 0:
                raise InvalidInput(f"{what} has more than {MAX_BODY_MEMBERS} values outside of payloads")
            open_values += value.values() if isinstance(value, dict) else value


def _without_payloads(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    payloads = {
        spelling
        for name, field in model.model_fields.items()
        if field.annotation is Any
        for spelling in (name, field.alias)
    }
    return {name: value for name, value in data.items() if name not in payloads}
