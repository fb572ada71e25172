"""The limit on failures per source, as a value without a server."""

from __future__ import annotations

import pytest

from core.auth import failure_limit
from core.auth.failure_limit import FailureLimit, source


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self._seconds = 1000.0

    def monotonic(self) -> float:
        """Return the time."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds


def test_failures_use_the_limit_up_and_time_gives_it_back() -> None:
    """Three at once, then one every ten seconds; another address has its own."""
    time = Time()
    limit = FailureLimit(3, 6, time.monotonic)
    for _ in range(3):
        assert limit.allows("a")
        limit.count("a")
    assert not limit.allows("a")
    assert limit.allows("b")
    time.advance(9)
    assert not limit.allows("a")
    time.advance(2)
    assert limit.allows("a")
    limit.count("a")
    assert not limit.allows("a")


def test_a_long_attack_does_not_lock_a_source_out_for_long() -> None:
    """Calls under way overdraw within bounds: after twice the bucket's time all is as before."""
    time = Time()
    limit = FailureLimit(5, 60, time.monotonic)
    for _ in range(1000):
        limit.count("a")
    time.advance(5.5)
    assert not limit.allows("a")
    time.advance(1)
    assert limit.allows("a")


def test_no_limit_counts_nothing() -> None:
    """0 switches it off."""
    limit = FailureLimit(0, 1)
    for _ in range(10):
        limit.count("a")
    assert limit.allows("a")
    assert len(limit) == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred addresses, room for ten: the ten that failed last are known."""
    monkeypatch.setattr(failure_limit, "MAX_SOURCES", 10)
    limit = FailureLimit(1, 1, Time().monotonic)
    for number in range(100):
        limit.count(str(number))
    assert len(limit) == 10
    assert [number for number in range(100) if not limit.allows(str(number))] == list(range(90, 100))


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:/run/socket", "unix:/run/socket"),
        ("", ""),
    ],
)
def test_a_host_cannot_get_round_it_with_its_many_addresses(peer: str, name: str) -> None:
    """IPv6 hosts have a network of 64 bits to themselves: it counts as one."""
    assert source(peer) == name
