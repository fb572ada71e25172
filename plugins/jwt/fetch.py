"""Fetches the identity provider's keys: one small document, from where the configuration says and nowhere else.

A fetch runs in a thread of its own, of which there is one at most, so that a provider that does not answer takes
nothing from others: the loop's common threads look up the names of databases.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from core.build_info import BuildInfo
from plugins.jwt.config import is_loopback
from plugins.jwt.keys import JwksError, VerificationKey, read_keys
from plugins.jwt.wire import PlainHandler, SecureHandler, Wire

TIMEOUT_S: Final = 5.0
"""For all of a fetch: the name, the connection, TLS, redirects, headers and body."""

MAX_BYTES: Final = 512 * 1024
_CHUNK: Final = 64 * 1024

Keys = Mapping[str, VerificationKey]


class JwksFetcher:
    """Fetches one document over and over, one fetch at a time."""

    def __init__(self, uri: str, build_info: BuildInfo) -> None:
        self._request = Request(  # noqa: S310 - the configuration has admitted the scheme
            uri,
            headers={"accept": "application/json", "user-agent": f"flovyn-server/{build_info.version}"},
        )
        self._thread: threading.Thread | None = None

    async def __call__(self) -> Keys:
        """Fetch and read the keys; the loop goes on meanwhile. Cancelled, the fetch ends.

        Raises:
            JwksError: they cannot be had within ``TIMEOUT_S``; the text says why, without the address.
        """
        if self._thread is not None and self._thread.is_alive():
            raise JwksError("the fetch before this one has not ended: the look-up of the provider's name hangs")
        wire = Wire(TIMEOUT_S)
        answer: asyncio.Future[Keys] = asyncio.get_running_loop().create_future()
        work = (lambda: read_keys(self._document(wire)), answer)
        # a daemon: a look-up of a name cannot be ended from outside, and must not hold up the end of the process
        self._thread = threading.Thread(target=_work, args=work, name="jwks", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise JwksError(f"timed out: the answer was not there within {TIMEOUT_S:g} s") from None
        finally:
            wire.cut()

    def _document(self, wire: Wire) -> bytes:
        try:
            with _opener(self._request.full_url, wire).open(self._request, timeout=TIMEOUT_S) as response:
                return _read(response)
        except HTTPError as error:
            error.close()  # it is the answer, and holds the connection
            raise JwksError(f"the answer was {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise JwksError(f"{type(error).__name__}: {error}") from error


def _work(fetch: Callable[[], Keys], answer: asyncio.Future[Keys]) -> None:
    """Run in the thread: give the loop what was fetched, or why it was not."""
    try:
        keys = fetch()
    except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
        _tell(answer, lambda failure=error: answer.set_exception(failure))  # type: ignore[misc]
    else:
        _tell(answer, lambda: answer.set_result(keys))


def _tell(answer: asyncio.Future[Keys], settle: Callable[[], None]) -> None:
    def if_wanted() -> None:
        if not answer.done():
            settle()

    with suppress(RuntimeError):  # the loop was closed meanwhile: the server is at its end
        answer.get_loop().call_soon_threadsafe(if_wanted)


def _read(response: HTTPResponse) -> bytes:
    document = b""
    while piece := response.read1(_CHUNK):
        document += piece
        if len(document) > MAX_BYTES:
            raise JwksError(f"the answer is larger than {MAX_BYTES // 1024} KiB")
    return document


class _SameOrigin(HTTPRedirectHandler):
    """Follows a redirect only to the same scheme, host and port."""

    def redirect_request(  # noqa: PLR0917 - the library's signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the next request."""
        fp.close()  # the library would read the whole answer, however large
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            raise JwksError("the answer redirects to another host; set jwks_uri to where the keys are")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(uri: str, wire: Wire) -> OpenerDirector:
    handlers = [_SameOrigin(), PlainHandler(wire), SecureHandler(wire)]
    if is_loopback(urlsplit(uri)):  # a proxy would carry what must not leave the machine
        return build_opener(*handlers, ProxyHandler({}))
    return build_opener(*handlers)
