"""Metrics of several processes in one folder, and whose they are."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import values

from core.errors import PluginError, Unavailable
from server.observability.metrics import FOLDER_VARIABLE, MetricsRegistry, forget, shared_folder

Process = Callable[[int], MetricsRegistry]


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    """Return the metrics of a process with that id; the one made last counts."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))

    def start(pid: int) -> MetricsRegistry:
        kind: Any = values.MultiProcessValue(lambda: pid)  # type: ignore[no-untyped-call]
        monkeypatch.setattr(values, "ValueClass", kind)
        return MetricsRegistry()

    return start


def _work(registry: MetricsRegistry) -> None:
    own = registry.of("sample")
    own.counter("calls_total", "Calls", ["kind"]).inc(kind="a")
    own.histogram("wait_seconds", "Waits").observe(0.2)
    own.gauge("open", "Open").set(3)


def test_sums_outlive_their_process_and_gauges_do_not(process: Process, tmp_path: Path) -> None:
    """Over many workers that came and went, counts stay right and files few."""
    for pid in range(101, 106):
        registry = process(pid)
        _work(registry)
        if pid > 103:
            continue
        forget(pid)
    text = registry.text().decode()
    assert 'flovyn_sample_calls_total{kind="a"} 5.0' in text
    assert "flovyn_sample_wait_seconds_count 5.0" in text
    assert "flovyn_sample_open 6.0" in text
    assert {each.name for each in tmp_path.glob("counter*")} == {"counter_0.db", "counter_104.db", "counter_105.db"}


def test_a_file_half_written_stops_no_process(process: Process, tmp_path: Path) -> None:
    """The supervising process goes on without what a killed worker could not finish."""
    registry = process(101)
    _work(registry)
    (tmp_path / "counter_101.db").write_bytes(b"\xff\xff\x00\x00\x00\x00\x00\x00")
    forget(101)
    assert not (tmp_path / "counter_101.db").exists()
    assert registry.text()


def test_a_rehearsal_counts_nothing(process: Process) -> None:
    """Values that hooks set in the supervising process's rehearsal are not shown beside the workers' values."""
    _work(process(102))
    _work(MetricsRegistry(counts=False))
    text = process(103).text().decode()
    assert "flovyn_sample_open 3.0" in text
    assert 'flovyn_sample_calls_total{kind="a"} 1.0' in text
    assert "flovyn_sample_wait_seconds_count 1.0" in text


def test_a_folder_that_was_removed_is_said(process: Process, tmp_path: Path) -> None:
    """A scrape gets a reason."""
    registry = process(101)
    tmp_path.rmdir()
    with pytest.raises(Unavailable, match="was removed"):
        registry.text()


def test_two_plugins_do_not_share_a_metric_by_accident() -> None:
    """Names that meet, and one name with another type or other labels, are refused with both sides."""
    registry = MetricsRegistry()
    first = registry.of("worker").counter("token_checks", "Checks", ["kind"])
    first.inc(kind="a")
    registry.of("worker").counter("token_checks", "Checks", ["kind"]).inc(kind="a")
    with pytest.raises(PluginError, match=r"'worker_token': the metric .* as a Counter of 'worker'"):
        registry.of("worker_token").counter("checks", "Checks", ["kind"])
    with pytest.raises(PluginError, match="'worker': the metric"):
        registry.of("worker").gauge("token_checks", "Checks", ["kind"])
    with pytest.raises(PluginError, match="'worker': the metric"):
        registry.of("worker").counter("token_checks", "Checks", ["other"])
    with pytest.raises(PluginError, match=r"'worker': the metric .* cannot be created"):
        registry.of("worker").counter("token_checks_total", "Checks")


def test_folders_of_killed_servers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of living ones stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    left, used = tmp_path / "flovyn-metrics-left", tmp_path / "flovyn-metrics-used"
    for each in (left, used):
        each.mkdir()
        (each / "owner").touch()
    with (used / "owner").open("r+b") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        with shared_folder():
            assert not left.exists()
            assert (Path(os.environ[FOLDER_VARIABLE]) / "owner").exists()
            with monkeypatch.context() as inner:
                inner.setenv(FOLDER_VARIABLE, "")
                with shared_folder():
                    assert len(list(tmp_path.iterdir())) == 3
        assert list(tmp_path.iterdir()) == [used]
