"""The one-time link of ``dev``: it signs the browser that opens it in, as the administrator.

A listener of the process of ``dev`` answers it, not the server: it opens a session with the administrator's key and
hands its cookie to the browser, which sends cookies to all ports of a host.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

_TIMEOUT_S: Final = 10.0


class _Links(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, rest: tuple[str, int], key: str, page: str) -> None:
        super().__init__((rest[0], 0), _Handler)
        self.rest = rest
        self.key = key
        self.page = page
        self._code: str | None = secrets.token_urlsafe(24)
        self._lock = threading.Lock()

    @property
    def link(self) -> str:
        """The address to open."""
        return f"http://{self.rest[0]}:{self.server_port}/sign-in/{self._code}"

    def use(self, path: str) -> bool:
        """Return whether this is the path of the link, for the first time."""
        with self._lock:
            if self._code is None or not hmac.compare_digest(path.encode(), f"/sign-in/{self._code}".encode()):
                return False
            self._code = None
            return True

    def cookie(self) -> str | None:
        """Open a session; return the cookie of the answer."""
        connection = http.client.HTTPConnection(*self.rest, timeout=_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("POST", "/api/v1/session", headers={"authorization": f"Bearer {self.key}"})
            return connection.getresponse().getheader("set-cookie")


class _Handler(BaseHTTPRequestHandler):
    server: _Links
    timeout = _TIMEOUT_S

    def do_GET(self) -> None:
        """Answer the link with a redirection to the page, and anything else with an error."""
        if not self.server.use(self.path):
            self.send_error(404, "This link was used, or was never valid. Sign in with the key that dev has printed.")
            return
        cookie = self.server.cookie()
        self.send_response(303)
        self.send_header("location", self.server.page)
        self.send_header("cache-control", "no-store")
        self.send_header("referrer-policy", "no-referrer")
        if cookie is not None:
            self.send_header("set-cookie", cookie)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as the base class has it
        """Write nothing: the path is a secret."""


@contextlib.contextmanager
def sign_in_link(host: str, port: int, key: str, path: str) -> Iterator[str]:
    """Yield a link that signs in the first browser that opens it, and leads it to a path of the server."""
    links = _Links((host, port), key, f"http://{host}:{port}{path}")
    threading.Thread(target=links.serve_forever, name="sign-in", daemon=True).start()
    try:
        yield links.link
    finally:
        links.shutdown()
        links.server_close()
