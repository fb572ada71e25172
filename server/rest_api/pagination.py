"""``limit`` and ``offset`` of list endpoints."""

from __future__ import annotations

import re

import falcon.asgi

from core.errors import InvalidInput

MAX_LIMIT = 100
MAX_OFFSET = 1_000_000_000

_NUMBER = re.compile(r"[0-9]{1,10}")


def page_of(request: falcon.asgi.Request, default_limit: int) -> tuple[int, int]:
    """Return limit (at most ``MAX_LIMIT``) and offset.

    Raises:
        InvalidInput: one of them is not a number in range.
    """
    return (
        min(_number(request, "limit", default_limit, 1), MAX_LIMIT),
        _number(request, "offset", 0, 0),
    )


def _number(request: falcon.asgi.Request, name: str, default: int, least: int) -> int:
    text = request.get_param(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= MAX_OFFSET:
        raise InvalidInput(f"{name} must be a whole number from {least} on")
    return int(text)
