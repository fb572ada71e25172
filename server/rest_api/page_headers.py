"""Headers that protect browsers: on everything HTML, and on answers to requests with the cookie of a session."""

from __future__ import annotations

from typing import Final

import falcon.asgi

from server.rest_api.browsers import COOKIE

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The content security policy: scripts and styles of this server alone, none inside of the HTML, and no frames."""

HTML_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class PageHeaders:
    """Sets the headers of each answer."""

    async def process_response(
        self,
        request: falcon.asgi.Request,
        response: falcon.asgi.Response,
        _resource: object,
        _ok: bool,  # noqa: FBT001
    ) -> None:
        """Set the headers; no handler can leave them out, and none can weaken them."""
        response.set_header("x-content-type-options", "nosniff")
        is_html = (response.content_type or "").startswith(falcon.MEDIA_HTML)
        if is_html:
            response.set_headers(HTML_HEADERS)
        if response.get_header("cache-control") is None and (is_html or COOKIE in request.cookies):
            response.set_header("cache-control", "no-store")  # a shared cache must not show it to others
