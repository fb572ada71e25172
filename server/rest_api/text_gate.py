"""Refuses every text over REST that could not be stored or answered, for the routes of plugins, too.

A path is checked before its route is chosen, a query string and headers before the caller is authenticated, a body when
it is read. Lengths are bounded elsewhere: the request line and the headers by the HTTP server, a body by its limit.
"""

from __future__ import annotations

import codecs
import re
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import falcon.asgi
from falcon.util.mediatypes import parse_header

from core.errors import InvalidInput

_ANY_ASCII = bytes(range(0x80)).decode()
_UTF_8 = re.compile(r"utf[-_]?8", re.IGNORECASE)


class Request(falcon.asgi.Request):
    """A request; bytes of its query string that are not ASCII count as if they were percent-encoded."""

    def __init__(self, scope: dict[str, Any], *arguments: Any, **options: Any) -> None:
        query: bytes = scope["query_string"]
        if not query.isascii():
            scope = {**scope, "query_string": quote_from_bytes(query, _ANY_ASCII).encode()}
        super().__init__(scope, *arguments, **options)


class PathGate:
    """Checks the path of every request, before the router sees it."""

    async def process_request(self, request: falcon.asgi.Request, _response: falcon.asgi.Response) -> None:
        """Check the path.

        Raises:
            InvalidInput: the path is not UTF-8.
        """
        path: bytes = request.scope.get("raw_path") or b""
        if b"%" in path or not path.isascii():
            _decoded(unquote_to_bytes(path), "the path")


def check_head(request: falcon.asgi.Request) -> None:
    """Check the query string and the headers of a request.

    Raises:
        InvalidInput: the query string is not UTF-8, or a text holds a NUL character.
    """
    query = request.query_string.encode()
    if query and "\x00" in _decoded(unquote_to_bytes(query), "the query string"):
        raise InvalidInput("the query string holds a NUL character, which cannot be stored")
    for name, value in request.scope["headers"]:
        if b"\x00" in value:
            raise InvalidInput(f"the header {name.decode('latin-1')!r} holds a NUL character")


def body_text(data: bytes, content_type: str | None) -> str:
    """Return the text of a JSON body.

    Raises:
        InvalidInput: the body is not UTF-8, begins with a byte order mark, or its content type names another charset.
    """
    charset = parse_header(content_type)[1].get("charset", "utf-8") if content_type else "utf-8"
    if not _UTF_8.fullmatch(charset):
        raise InvalidInput(f"the content type names the charset {charset[:40]!r}; JSON bodies are UTF-8")
    if data.startswith(codecs.BOM_UTF8):
        raise InvalidInput("the body begins with a byte order mark; send UTF-8 without one")
    return _decoded(data, "the body")


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None
