"""The key set is fetched over real HTTP, from its own place only, and no answer holds the server up."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from core.build_info import BuildInfo
from plugins.jwt import fetch
from plugins.jwt.fetch import JwksFetcher
from plugins.jwt.keys import JwksError
from plugins.jwt.tests.provider import Provider, serving

BUILD = BuildInfo("test", "0.0.0", "3.11", "", ())


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


async def test_keys_are_fetched(provider: Provider) -> None:
    """One request, and the keys are there."""
    assert set(await JwksFetcher(provider.uri, BUILD)()) == {"rsa", "ec"}
    assert provider.asked == ["/jwks.json"]


async def test_a_redirect_on_the_same_host_is_followed(provider: Provider) -> None:
    """Providers move their documents about."""
    provider.redirects = {"/jwks.json": "/keys"}
    assert set(await JwksFetcher(provider.uri, BUILD)()) == {"rsa", "ec"}
    assert provider.asked == ["/jwks.json", "/keys"]


@pytest.mark.parametrize("place", ["http://localhost:{port}/x", "https://127.0.0.1:{port}/x", "http://127.0.0.1:1/x"])
async def test_a_redirect_elsewhere_is_not(provider: Provider, place: str) -> None:
    """Another host, scheme or port is another provider."""
    port = provider.uri.split(":")[2].split("/")[0]
    provider.redirects = {"/jwks.json": place.format(port=port)}
    with pytest.raises(JwksError, match="redirects to another host"):
        await JwksFetcher(provider.uri, BUILD)()
    assert provider.asked == ["/jwks.json"]


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/jwks.json"])
async def test_a_redirect_to_no_web_page_or_in_a_circle_is_not(provider: Provider, place: str) -> None:
    """An error like any other."""
    provider.redirects = {"/jwks.json": place}
    with pytest.raises(JwksError):
        await JwksFetcher(provider.uri, BUILD)()


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_other_answers_are_errors(provider: Provider, status: int) -> None:
    """The text names the problem and not the address."""
    provider.status, provider.document = status, b""
    with pytest.raises(JwksError) as failed:
        await JwksFetcher(provider.uri, BUILD)()
    assert provider.uri not in str(failed.value)


async def test_an_answer_that_is_too_large_is_dropped(provider: Provider) -> None:
    """The size of an answer has a limit."""
    provider.document = b" " * (fetch.MAX_BYTES + 1)
    with pytest.raises(JwksError, match="larger than 512 KiB"):
        await JwksFetcher(provider.uri, BUILD)()


async def test_an_answer_that_does_not_end_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on time holds in the middle of an answer, too."""
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    provider.stuck = threading.Event()
    with pytest.raises(JwksError, match="timed out"):
        await JwksFetcher(provider.uri, BUILD)()


def _drip(client: socket.socket, first: bytes, again: bytes) -> None:
    """Answer a request with ``first``, and with ``again`` now and then, until the other side has gone."""
    with suppress(OSError), client:
        client.sendall(first)
        while not select.select([client], [], [], 0.02)[0] or client.recv(4096):
            client.sendall(again)


@contextmanager
def _dripping(first: bytes, again: bytes) -> Iterator[int]:
    """Run a server that never comes to the end of its answer, and lend its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=_drip, args=(server.accept()[0], first, again), daemon=True).start()

        accepting = threading.Thread(target=serve, daemon=True)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join(10)


def _fetching() -> int:
    """Count the threads in which something is fetched, or names are looked up."""
    return sum(each.name.startswith(("jwks", "asyncio")) for each in threading.enumerate())


def _until_ended() -> None:
    for each in threading.enumerate():
        if each.name == "jwks":
            each.join(10)
            assert not each.is_alive()


OK_HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "nothing": ("http", b"", b""),
    "the status line": ("http", b"HTTP/1.1 2", b"0"),
    "a header": ("http", OK_HEAD + b"x: ", b"x"),
    "headers": ("http", OK_HEAD, b"x: y\r\n"),
    "interim answers": ("http", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the body": ("http", OK_HEAD + b"content-length: 99999\r\n\r\n", b" "),
    "chunks": ("http", OK_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the size of a chunk": ("http", OK_HEAD + b"transfer-encoding: chunked\r\n\r\n", b"0"),
    "a redirect": ("http", b"HTTP/1.1 302 Found\r\nlocation: /x\r\n", b"x: y\r\n"),
    "the handshake of TLS": ("https", b"", b""),
    "a record of TLS": ("https", b"\x16\x03\x03\x40\x00", b"\x02"),
}


@pytest.mark.parametrize("what", DRIPS)
async def test_a_provider_that_drips_is_given_up_and_leaves_no_thread(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece may be in time, the whole is not: the deadline holds for all of it, and again and again."""
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    scheme, first, again = DRIPS[what]
    before = _fetching()
    with _dripping(first, again) as port:
        fetcher = JwksFetcher(f"{scheme}://127.0.0.1:{port}/jwks.json", BUILD)
        for _ in range(3):
            async with asyncio.timeout(5):
                with pytest.raises(JwksError):
                    await fetcher()
                _until_ended()
    assert _fetching() == before


async def test_a_fetch_that_is_cancelled_leaves_no_thread() -> None:
    """The server stops, and does not wait for it."""
    with _dripping(OK_HEAD, b"x: y\r\n") as port:
        asked = asyncio.create_task(JwksFetcher(f"http://127.0.0.1:{port}/", BUILD)())
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
        _until_ended()


async def test_a_look_up_that_hangs_delays_no_other_caller(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be ended: there is one, and no other until it ends by itself."""
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    hangs = threading.Event()
    look_up = socket.getaddrinfo

    def hanging(host: Any, *arguments: Any, **more: Any) -> Any:
        if threading.current_thread().name == "jwks":
            hangs.wait(60)
        return look_up(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    fetcher = JwksFetcher(provider.uri, BUILD)
    before = _fetching()
    try:
        with pytest.raises(JwksError, match="timed out"):
            await fetcher()
        for _ in range(20):
            with pytest.raises(JwksError, match="has not ended"):
                await fetcher()
        assert _fetching() == before + 1
        await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("localhost", 1), 10)
    finally:
        hangs.set()
    _until_ended()
    assert set(await fetcher()) == {"rsa", "ec"}


async def test_the_answer_that_redirects_is_not_read() -> None:
    """However large it is: only its head counts."""
    head = b"HTTP/1.1 302 Found\r\nlocation: http://other.test/\r\n\r\n"
    with _dripping(head, b" " * 65536) as port, pytest.raises(JwksError, match="redirects to another host"):
        await JwksFetcher(f"http://127.0.0.1:{port}/", BUILD)()


async def test_a_refused_connection_is_an_error() -> None:
    """A refused connection is one more way to be away."""
    with pytest.raises(JwksError, match="refused"):
        await JwksFetcher("http://127.0.0.1:1/jwks", BUILD)()
