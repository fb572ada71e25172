"""The key set is fetched over real HTTP, from its own place only, and no answer holds the server up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
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
    """What is read has a limit."""
    provider.document = b" " * (fetch.MAX_BYTES + 1)
    with pytest.raises(JwksError, match="larger than 512 KiB"):
        await JwksFetcher(provider.uri, BUILD)()


async def test_an_answer_that_does_not_end_is_given_up(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on time holds in the middle of an answer, too."""
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    provider.stuck = threading.Event()
    with pytest.raises(JwksError, match="timed out"):
        await JwksFetcher(provider.uri, BUILD)()


def test_an_answer_that_drips_is_given_up() -> None:
    """Each piece may be in time; the whole is not."""

    class Dripping:
        def read1(self, _length: int) -> bytes:
            return b" "

    dripping: Any = Dripping()
    with pytest.raises(JwksError, match="was not there within"):
        fetch._read(dripping, deadline=time.monotonic() + 0.01)


async def test_nobody_there_is_an_error() -> None:
    """A refused connection is one more way to be away."""
    with pytest.raises(JwksError, match="refused"):
        await JwksFetcher("http://127.0.0.1:1/jwks", BUILD)()
