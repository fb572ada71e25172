"""Texts that cannot be stored, in every form in which the wire can carry them; and some that only look dangerous."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tests.support.repetitions import times
from tests.support.running import Client

IN_TURN = 2
"""Texts for each place of a request; there are several hundred places."""

LARGE = 900_000
"""Characters of a text that the limits of bodies and messages allow."""

INVALID_UTF8: Mapping[str, bytes] = {
    "half of a character": b"a\xed\xa0\x80b",
    "the other half": b"a\xed\xbf\xbfb",
    "overlong": b"a\xc0\x80b",
    "overlong slash": b"a\xe0\x80\xafb",
    "no utf-8": b"a\xff\xfeb",
    "cut off": b"a\xe2\x82",
    "beyond unicode": b"a\xf4\x90\x80\x80",
}
ESCAPED: Mapping[str, bytes] = {
    "escaped half": b"a\\ud800b",
    "escaped other half": b"a\\uDFFFb",
    "halves in the wrong order": b"\\udc00\\ud800",
    "escaped NUL": b"a\\u0000b",
}
RAW_NUL: Mapping[str, bytes] = {"NUL": b"a\x00b"}
FINE: Mapping[str, bytes] = {
    "bidi controls": "a\u202eb\u2066c".encode(),
    "a character in two escapes": b"\\ud83d\\ude00",
    "what looks like an escape": b"\\\\ud800 \\\\u0000",
    "large": b"x" * LARGE,
}


_turns = itertools.count()


def in_turn(texts: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the texts for one place: some of them, others at each call; all of them with ``--config=long``."""
    names = list(texts)
    first = next(_turns) * IN_TURN
    return {name: texts[name] for name in (names[(first + n) % len(names)] for n in range(times(IN_TURN, len(names))))}


@dataclass(frozen=True)
class Answer:
    """The answer of the app: the status, and the body's bytes."""

    status: int
    body: bytes


async def ask(
    client: Client,
    method: str,
    target: bytes,
    body: bytes = b"",
    *,
    key: str,
    headers: Mapping[str, bytes] | None = None,
) -> Answer:
    """Make a REST request of raw bytes, as the HTTP server hands it on."""
    path, _, query = target.partition(b"?")
    given = {"authorization": f"Bearer {key}".encode(), "content-type": b"application/json", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode(errors="replace"),
        "raw_path": path,
        "query_string": query,
        "headers": [(name.encode(), value) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await client.app(scope, receive, send)
    return Answer(sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:]))


def as_url(text: bytes) -> bytes:
    """Return a text as a part of a URL."""
    return quote_from_bytes(text, "").encode()


def places(schema: Any, document: Any, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in a body the texts stand: values, names of maps (with ``NAME`` at the end), and payloads."""
    schema = resolved(schema, document)
    if isinstance(value, dict) and "properties" in schema:
        for name, member in value.items():
            yield from places(schema["properties"][name], document, member, (*path, name))
    elif isinstance(value, dict) and "additionalProperties" in schema:
        for name, member in value.items():
            yield (*path, name, NAME)
            yield from places(schema["additionalProperties"], document, member, (*path, name))
    elif isinstance(value, list):
        yield from places(schema["items"], document, value[0], (*path, 0))
    elif isinstance(value, str):
        yield path
    elif "type" not in schema:
        yield from ((*path, "in a payload", 0), (*path, "in a payload", NAME))


NAME = object()
"""Stands for a member's name instead of its value."""


def resolved(schema: Any, document: Any) -> Any:
    """Return the schema that a schema refers to; of several, the first."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "allOf" in schema:
            schema = schema["allOf"][0]
        elif choices := schema.get("oneOf") or schema.get("anyOf"):
            schema = choices[0]
        else:
            return schema


USUAL = {
    "cron": "0 0 1 1 *",
    "timezone": "UTC",
    "idempotencyKeyTTL": "24h",
    "slug": "usual",
    "hash": "0" * 64,
    "idPrefix": "abcd",
    "metadata": "{}",
}


FORMATS = {"date-time": "2030-01-01T00:00:00Z", "uuid": "0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d"}


def sample(schema: Any, document: Any, name: str = "") -> Any:
    """Return a value that a schema allows, with every member and one element of every list."""
    schema = resolved(schema, document)
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {each: sample(member, document, each) for each, member in schema["properties"].items()}
    if schema.get("type") == "string":
        return USUAL.get(name) or FORMATS.get(schema.get("format", ""), "text")
    if schema.get("type") == "object":
        return {"name": sample(schema["additionalProperties"], document)}
    if "items" in schema:
        return [sample(schema["items"], document)]
    number = schema.get("minimum", 1)
    return {"integer": number, "number": number, "boolean": True}.get(schema.get("type"), {"in a payload": ["text"]})


def replaced(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """Return a body with another text at a place."""
    if not path:
        return text
    step, *rest = path
    if rest == [NAME]:
        return {text if name == step else name: member for name, member in value.items()}
    if isinstance(value, dict):
        return {**value, step: replaced(value[step], tuple(rest), text)}
    return [replaced(value[0], tuple(rest), text)]
