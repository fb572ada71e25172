"""The screen of ``top``, made of two scrapes."""

from __future__ import annotations

import argparse

import pytest

from core.errors import Unavailable
from server.cli import top

BEFORE = """\
# HELP flovyn_calls_total Calls.
flovyn_calls_total{protocol="grpc",operation="/a/B",code="ok"} 10.0
flovyn_call_duration_seconds_count{protocol="grpc",operation="/a/B"} 10.0
flovyn_call_duration_seconds_sum{protocol="grpc",operation="/a/B"} 1.0
flovyn_statement_duration_seconds_count{statement="tasks.claim"} 1.0
flovyn_statement_duration_seconds_sum{statement="tasks.claim"} 1.0
"""
NOW = """\
flovyn_calls_total{protocol="grpc",operation="/a/B",code="ok"} 30.0
flovyn_calls_total{protocol="grpc",operation="/a/B",code="internal"} 2.0
flovyn_call_duration_seconds_count{protocol="grpc",operation="/a/B"} 32.0
flovyn_call_duration_seconds_sum{protocol="grpc",operation="/a/B"} 1.22
flovyn_statement_duration_seconds_count{statement="tasks.claim"} 3.0
flovyn_statement_duration_seconds_sum{statement="tasks.claim"} 1.5
flovyn_queue_depth{category="task",queue="a \\"b\\"",tenant=""} 7.0
flovyn_queue_oldest_age_seconds{category="task",queue="a \\"b\\"",tenant=""} 12.5
flovyn_pollers_parked{category="task",queue="a \\"b\\""} 2.0
"""


def test_the_screen_shows_rates_means_and_queues() -> None:
    """Counters are shown for a second, histograms as means, gauges as they are."""
    lines = list(top.screen(top.parsed(BEFORE), top.parsed(NOW), 2.0))
    assert lines[0].startswith("calls 11/s   failed 1.0/s")
    assert ["/a/B", "11.0", "10.00", "1.0"] in [line.split() for line in lines]
    assert ["tasks.claim", "1.0", "250.00"] in [line.split() for line in lines]
    (queue,) = [line for line in lines if " task " in line]
    assert queue.split()[-5:] == ["7", "12.5", "2", "0.0", "0.00"]


def test_a_server_that_cannot_be_reached_is_named() -> None:
    """The message has the address."""
    arguments = argparse.Namespace(url="http://127.0.0.1:1/_/metrics", every=1.0, once=True)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/_/metrics cannot be reached"):
        top.run(None, arguments)  # type: ignore[arg-type]
