"""A percent-encoded slash belongs to its segment of the path (RFC 3986, sections 2.2 and 3.3).

The router sees a decoded path, in which such a slash looks like any other. So two characters stay encoded until the
route is found: the slash, and the percent sign, without which an encoded slash would be ambiguous.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import falcon.asgi

_KEPT = re.compile(rb"%(?=2[fF5])")


class EncodedSlashes:
    """Keeps encoded slashes in the path that the router sees."""

    async def process_request(self, request: falcon.asgi.Request, _response: falcon.asgi.Response) -> None:
        """Set the path for the router."""
        raw: bytes = request.scope.get("raw_path") or b""
        if _KEPT.search(raw):
            request.path = unquote(_KEPT.sub(b"%25", raw).decode("latin-1")).replace("%2f", "%2F")


def plain(segment: str) -> str:
    """Return the text of a segment of a path that the router saw."""
    return segment.replace("%2F", "/").replace("%25", "%")


def as_segment(text: str) -> str:
    """Return a text as a segment of a path for the router."""
    return text.replace("%", "%25").replace("/", "%2F")
