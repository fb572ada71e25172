"""Fetches the identity provider's keys: one small document, from where the configuration says and nowhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from core.build_info import BuildInfo
from plugins.jwt.config import is_loopback
from plugins.jwt.keys import JwksError, VerificationKey, read_keys

TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 512 * 1024
_CHUNK: Final = 64 * 1024


class JwksFetcher:
    """Fetches one document over and over."""

    def __init__(self, uri: str, build_info: BuildInfo) -> None:
        """Take the address, and what to call ourselves when asking for it."""
        self._request = Request(  # noqa: S310 - the configuration has admitted the scheme
            uri,
            headers={"accept": "application/json", "user-agent": f"flovyn-server/{build_info.version}"},
        )
        self._opener = _opener(uri)

    async def __call__(self) -> Mapping[str, VerificationKey]:
        """Fetch and read the keys, in a thread: the loop goes on.

        Raises:
            JwksError: they cannot be had; the text says why, without the address.
        """
        return await asyncio.to_thread(lambda: read_keys(self._document()))

    def _document(self) -> bytes:
        deadline = time.monotonic() + TIMEOUT_S
        try:
            with self._opener.open(self._request, timeout=TIMEOUT_S) as response:
                return _read(response, deadline)
        except HTTPError as error:
            error.close()  # it is the answer, and holds the connection
            raise JwksError(f"the answer was {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise JwksError(f"{type(error).__name__}: {error}") from error


def _read(response: HTTPResponse, deadline: float) -> bytes:
    """Read the body in pieces, so that a server that drips is given up, too."""
    document = b""
    while piece := response.read1(_CHUNK):
        document += piece
        if len(document) > MAX_BYTES:
            raise JwksError(f"the answer is larger than {MAX_BYTES // 1024} KiB")
        if time.monotonic() > deadline:
            raise JwksError(f"the answer was not there within {TIMEOUT_S:g} s")
    return document


class _SameOrigin(HTTPRedirectHandler):
    """Follows a redirect only to the same scheme, host and port."""

    def redirect_request(  # noqa: PLR0917 - the library's signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the next request."""
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            fp.close()
            raise JwksError("the answer redirects to another host; set jwks_uri to where the keys are")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(uri: str) -> OpenerDirector:
    if is_loopback(urlsplit(uri)):  # a proxy would carry what must not leave the machine
        return build_opener(_SameOrigin, ProxyHandler({}))
    return build_opener(_SameOrigin)
