"""Reads the body or the query string of a request: checks sizes and counts, then the JSON, then the model."""

from __future__ import annotations

from functools import partial
from typing import Any

import falcon.asgi
from pydantic import BaseModel, ValidationError

from core.errors import InvalidInput, TooLarge
from core.json_shape import check_shape
from core.json_text import Shape, check_texts, read
from core.limits import MAX_BODY_BYTES, MAX_BODY_MEMBERS, MAX_PROBLEMS
from core.pacing import paced
from core.rest_model import needs_body, shape_of
from server.engine.repeats import HEADER
from server.rest_api.text_gate import body_text

BODY = "the body"


def size_of(request: falcon.asgi.Request) -> int:
    """Return the size of the body by the head of the request; the largest size where the head does not have it."""
    if request.content_length is not None:
        return request.content_length
    return MAX_BODY_BYTES if request.get_header("transfer-encoding") else 0


async def body(request: falcon.asgi.Request, model: type[BaseModel]) -> BaseModel:
    """Read and validate the body; a large one is parsed in turns (``core.pacing``).

    Raises:
        TooLarge: the body has more than ``MAX_BODY_BYTES``; it is not read where the head of the request says so.
        InvalidInput: the body is not JSON, has too many values, or does not fit the model.
    """
    data = b"" if size_of(request) > MAX_BODY_BYTES else await request.stream.read(MAX_BODY_BYTES + 1)
    if max(len(data), size_of(request)) > MAX_BODY_BYTES:
        raise TooLarge(f"{BODY} is larger than {MAX_BODY_BYTES} bytes")
    if HEADER in request.headers_lower:
        request.context.sent = data
    if not data and not needs_body(model):
        data = b"{}"
    parsed = await paced(len(data), partial(_parsed, data, request.content_type, shape_of(model)))
    return await paced(len(data), partial(validated, model, parsed, BODY))


def validated(model: type[BaseModel], data: Any, name: str) -> BaseModel:
    """Return ``data`` as a value of the model; ``name`` names it in errors.

    Raises:
        InvalidInput: the data does not fit the model; the text names the first problems.
    """
    _check_members(data, name)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(f"{name} does not fit: {_problems(error)}") from None
    except RecursionError:
        raise InvalidInput(f"{name} is nested too deeply") from None


def _parsed(data: bytes, content_type: str | None, shape: Shape) -> Any:
    check_shape(data, BODY)
    text = body_text(data, content_type)
    try:
        parsed = read(text, shape)
    except ValueError:
        raise InvalidInput(f"{BODY} is not valid JSON") from None
    except RecursionError:
        raise InvalidInput(f"{BODY} is nested too deeply") from None
    if "\\u" in text:
        check_texts(parsed, BODY)
    return parsed


def _problems(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in details[:MAX_PROBLEMS]]
    more = len(details) - len(shown)
    return "; ".join([*shown, *([f"and {more} more problems"] if more else [])])


def _check_members(data: Any, name: str) -> None:
    """Check the number of values outside of payloads: each of them can be a problem, which takes time to describe.

    Payloads are still texts here, and have limits of their own.
    """
    left = MAX_BODY_MEMBERS
    open_values = [data]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict | list):
            left -= len(value)
            if left < 0:
                raise InvalidInput(f"{name} has more than {MAX_BODY_MEMBERS} values outside of payloads")
            open_values += value.values() if isinstance(value, dict) else value
