"""Slashes that a client has percent-encoded belong to their segment of the path (RFC 3986, sections 2.2 and 3.3).

What routes requests sees the path decoded, where such a slash looks like any other. So the two signs that matter stay
encoded until the route is found: the slash, and the percent sign, without which nobody could tell the first one.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import falcon.asgi

_KEPT = re.compile(rb"%(?=2[fF5])")


class EncodedSlashes:
    """Lets the router see paths whose segments may hold slashes."""

    async def process_request(self, request: falcon.asgi.Request, _response: falcon.asgi.Response) -> None:
        """Set the path that is routed."""
        raw: bytes = request.scope.get("raw_path") or b""
        if _KEPT.search(raw):
            request.path = unquote(_KEPT.sub(b"%25", raw).decode("latin-1")).replace("%2f", "%2F")


def plain(segment: str) -> str:
    """Return the text of a segment of a routed path."""
    return segment.replace("%2F", "/").replace("%25", "%")


def as_segment(text: str) -> str:
    """Return a text as a segment of a routed path."""
    return text.replace("%", "%25").replace("/", "%2F")
