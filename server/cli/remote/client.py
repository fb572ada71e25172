"""Client: the REST API of a server, for commands. It follows no redirects, so that a credential goes nowhere else."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from core.json_text import JsonText, write
from core.payload import Json
from server.cli.remote.failures import UNREACHABLE, CommandFailed, exit_code_of
from server.cli.remote.servers import CalledServer

TIMEOUT_S: Final = 60.0
PAGE: Final = 100
"""Rows that one call of a list asks for."""


class Client:
    """Calls one server, as one caller. Numbers of answers are ``int``, or ``JsonText`` that keeps every digit."""

    def __init__(self, place: CalledServer) -> None:
        self._token = place.token
        self._tenant = place.tenant
        self._url = place.url
        self._parts = urlsplit(place.url)

    def tenant_path(self, rest: str) -> str:
        """Return a path of the caller's tenant.

        Raises:
            CommandFailed: the credential belongs to no tenant and none was named.
        """
        if self._tenant is None:
            tenant = self.call("GET", "/api/v1/me")["tenant"]
            if tenant is None:
                raise CommandFailed("the credential belongs to no tenant; name one with --tenant")
            self._tenant = str(tenant["slug"])
        return f"/api/v1/tenants/{quote(self._tenant, safe='')}{rest}"

    def call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        """Make a call; return its answer, None where it has no body.

        Raises:
            CommandFailed: the server cannot be reached, or answers an error.
        """
        with self._opened(method, path, body, query) as answer:
            text = answer.read()
        return _parsed(text) if text else None

    def rows(self, path: str, member: str, most: int, **query: object) -> Iterator[dict[str, Any]]:
        """Yield up to ``most`` rows of a list with cursors."""
        cursor: object = None
        while most > 0:
            page = self.call("GET", path, limit=min(most, PAGE), cursor=cursor, **query)
            yield from page[member][:most]
            most, cursor = most - len(page[member]), page.get("nextCursor")
            if cursor is None:
                return

    def lines(self, path: str, timeout: float = TIMEOUT_S, **query: object) -> Iterator[str]:
        """Yield the lines of an answer while they come."""
        with self._opened("GET", path, None, query, timeout) as answer:
            try:
                for line in answer:
                    yield line.decode("utf-8", "replace").rstrip("\r\n")
            except (OSError, http.client.HTTPException) as error:
                raise CommandFailed(f"{self._url} has ended its answer: {_reason(error)}", UNREACHABLE) from None

    def _opened(
        self, method: str, path: str, body: object, query: Mapping[str, object], timeout: float = TIMEOUT_S
    ) -> http.client.HTTPResponse:
        sent = urlencode([(name, _text(value)) for name, value in query.items() if value is not None])
        target = self._parts.path + path + (f"?{sent}" if sent else "")
        headers = {"authorization": f"Bearer {self._token}", "accept": "*/*", "connection": "close"}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            connection = self._connection(timeout)
            connection.request(method, target, None if body is None else write(body), headers)
            answer = connection.getresponse()
            if answer.status < 300:  # noqa: PLR2004
                return answer
            raise _refused(answer.status, answer.read(), path)
        except (OSError, http.client.HTTPException) as error:
            raise CommandFailed(f"{self._url} cannot be reached: {_reason(error)}", UNREACHABLE) from None
        except (UnicodeEncodeError, ValueError):
            raise CommandFailed("the token holds characters that no token has") from None

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout)


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text, parse_float=lambda digits: JsonText(Json(digits)))
    except ValueError:
        raise CommandFailed("the answer is not JSON; is this the address of a server?") from None


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _refused(status: int, text: bytes, path: str) -> CommandFailed:
    """Return the error of an answer. A route that is not there belongs to a plugin that is not in the edition."""
    try:
        said = str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        said = f"the server answers {status}; is this the address of its REST API?"
    if status == http.client.NOT_FOUND and said.startswith("there is nothing at"):
        owner, plugin, _ = (*path.removeprefix("/api/v1/").split("/", 2), "", "")[:3]
        lacks = f"does not contain the plugin {plugin}" if owner == "p" else "is too old for this command"
        said = f"the edition of this server {lacks}"
    return CommandFailed(said, exit_code_of(status))
