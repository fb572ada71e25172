"""Answers that hold payloads, written in turns (``core.pacing``): one of them may take 50 MiB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import falcon.asgi

from core.json_text import write
from core.pacing import paced, paced_groups
from core.rest_model import RestModel

View = TypeVar("View")

ITEM_COST = 512
"""Bytes of a payload that take as long to write as all members of an answer's item that are no payloads."""


async def body_in_turn(view: View, body_of: Callable[[View], RestModel]) -> dict[str, Any]:
    """Return the JSON form of the body of one view."""
    return await paced(_size(view), lambda: body_of(view).as_json())


async def answer_list(
    response: falcon.asgi.Response,
    page: RestModel,
    member: str,
    views: Sequence[View],
    body_of: Callable[[View], RestModel],
) -> None:
    """Answer ``page``, in which the list of ``member`` is empty, with the bodies of ``views`` as that list.

    A large answer is sent in parts, so that the whole of it is never copied at once.
    """
    head = page.as_json()
    name = type(page).model_fields[member].alias or member
    del head[name]
    groups = await paced_groups(views, _size, lambda group: write([body_of(each).as_json() for each in group])[1:-1])
    opening = write({**head, name: []})[: -len(b"]}")]
    parts = [opening, *_separated(groups), b"]}"]
    if len(groups) > 1:
        response.content_length = sum(map(len, parts))
        response.stream = _sent(parts)
    else:
        response.data = b"".join(parts)


def _size(view: object) -> int:
    """Return the size of the texts of a view, and of the views in it; its other members have one fixed size."""
    if isinstance(view, str):
        return len(view)
    if not is_dataclass(view):
        return 0
    return ITEM_COST + sum(_size(getattr(view, each.name)) for each in fields(view))


def _separated(groups: Sequence[bytes]) -> list[bytes]:
    return [group if number == 0 else b"," + group for number, group in enumerate(groups)]


async def _sent(parts: Sequence[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
