"""Follows a workflow live: its stream says that something happened, its history says what; so no event is missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from server.cli.remote.client import Client

ENDED: Final = ("COMPLETED", "FAILED", "CANCELLED")
_READ_TIMEOUT_S: Final = 45.0
"""The server writes a line at least every 15 seconds."""


def events_of(client: Client, path: str, since: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the events of the workflow at a path that come after the number ``since``, page by page."""
    cursor: object = None
    while True:
        page = client.call("GET", f"{path}/events", sinceSequence=since, limit=1000, cursor=cursor)
        yield from page["events"]
        cursor = page["nextCursor"]
        if cursor is None:
            return


def followed(client: Client, path: str) -> Iterator[dict[str, Any]]:
    """Yield all events of the workflow at a path, until it has ended."""
    last = 0
    while True:
        for line in client.lines(f"{path}/stream", _READ_TIMEOUT_S):
            if not line.startswith(("id:", ":")):  # an event or a comment begins so, and one look is enough for each
                continue
            ended = client.call("GET", path)["status"] in ENDED  # before the look at the events, which then are all
            for event in events_of(client, path, last):
                last = event["sequence"]
                yield event
            if ended:
                return
