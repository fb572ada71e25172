"""Metrics of several processes in one folder, and whose they are."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import PluginError, Unavailable
from core.metrics import MAX_SERIES
from server.observability.metrics import FOLDER_VARIABLE, MetricsRegistry, forget, shared_folder

Process = Callable[[int], MetricsRegistry]


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    """Return a function that returns the metrics of a process with an id."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))

    def start(pid: int) -> MetricsRegistry:
        with monkeypatch.context() as inner:
            inner.setattr(os, "getpid", lambda: pid)
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
    assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} == {"ended", "104", "105"}
    assert len(list(tmp_path.iterdir())) == 6


def test_an_incomplete_file_stops_no_process(process: Process, tmp_path: Path) -> None:
    """The supervising process and a scrape leave out the line that a killed worker could not finish."""
    registry = process(101)
    _work(registry)
    (names,) = tmp_path.glob("101-*.names")
    with names.open("ab") as opened:
        opened.write(b'{"name": "flovyn_half')
    assert b"flovyn_sample_open 3.0" in registry.text()
    (tmp_path / "101-0.names").write_bytes(b"\xff\n[]\n")
    (tmp_path / "101-0.values").touch()
    forget(101)
    assert not list(tmp_path.glob("101-*"))
    assert b'flovyn_sample_calls_total{kind="a"} 1.0' in process(102).text()


def test_the_counts_of_a_killed_process_are_kept(process: Process, tmp_path: Path) -> None:
    """A process that is killed right after it has counted loses no count."""
    code = (
        "import os, signal\n"
        "from server.observability.metrics import MetricsRegistry\n"
        "MetricsRegistry().of('sample').counter('kills', 'Kills').inc(7)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    killed.wait()
    scraper = process(102)
    assert b"flovyn_sample_kills_total 7.0" in scraper.text()
    forget(killed.pid)
    assert b"flovyn_sample_kills_total 7.0" in scraper.text()
    assert {each.name.partition("-")[0] for each in tmp_path.iterdir()} == {"ended", "102"}


def test_the_mode_of_a_gauge_says_how_processes_become_one(process: Process) -> None:
    """Values are added, or the greatest, the least or the latest counts; a process that set none does not count."""
    registries = [process(pid) for pid in (101, 102, 103)]
    for mode in ("sum", "max", "min", "latest"):
        gauges = [registry.of("sample").gauge(mode, "A mode", mode=mode) for registry in registries]
        for gauge, value in zip(gauges[:2], (5, 2), strict=True):
            gauge.set(value)
    text = registries[2].text().decode()
    for mode, shown in {"sum": 7.0, "max": 5.0, "min": 2.0, "latest": 2.0}.items():
        assert f"flovyn_sample_{mode} {shown}" in text


def test_buckets_are_cumulative_and_chosen_by_the_owner(process: Process) -> None:
    """A value on a bound belongs to the bucket of that bound."""
    registry = process(101)
    waits = registry.of("sample").histogram("wait_seconds", "Waits", buckets=(1, 2.5))
    for value in (0.5, 1, 2, 9):
        waits.observe(value)
    assert [line for line in registry.text().decode().splitlines() if not line.startswith("#")] == [
        'flovyn_sample_wait_seconds_bucket{le="1.0"} 2.0',
        'flovyn_sample_wait_seconds_bucket{le="2.5"} 3.0',
        'flovyn_sample_wait_seconds_bucket{le="+Inf"} 4.0',
        "flovyn_sample_wait_seconds_count 4.0",
        "flovyn_sample_wait_seconds_sum 12.5",
    ]


def test_texts_with_quotes_and_newlines_stay_in_their_labels(process: Process) -> None:
    """A label value and a help text cannot begin a line of their own."""
    registry = process(101)
    registry.of("sample").counter("calls", 'A "help"\nof \\ lines', ["kind"]).inc(kind='a"b\n\\c')
    assert registry.text().decode().splitlines() == [
        '# HELP flovyn_sample_calls_total A "help"\\nof \\\\ lines',
        "# TYPE flovyn_sample_calls_total counter",
        r'flovyn_sample_calls_total{kind="a\"b\n\\c"} 1.0',
    ]


def test_ten_thousand_label_values_are_at_most_a_thousand_series(process: Process) -> None:
    """Further values count as ``other``, so that sums stay right."""
    registry = process(101)
    calls = registry.of("sample").counter("calls", "Calls", ["kind"])
    for number in range(10_000):
        calls.inc(kind=f"kind-{number}")
    lines = [line for line in registry.text().decode().splitlines() if not line.startswith("#")]
    assert len(lines) == MAX_SERIES + 1
    assert f'flovyn_sample_calls_total{{kind="other"}} {10_000 - MAX_SERIES}.0' in lines


def test_a_series_that_is_added_after_a_scrape_is_shown_by_the_next_one(process: Process) -> None:
    """Texts that are kept between scrapes are made anew."""
    first, second = process(101), process(102)
    _work(first)
    second.text()
    first.of("sample").counter("calls_total", "Calls", ["kind"]).inc(kind="b")
    assert b'flovyn_sample_calls_total{kind="b"} 1.0' in second.text()


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
    shutil.rmtree(tmp_path)
    with pytest.raises(Unavailable, match="was removed"):
        registry.text()


def test_two_plugins_do_not_share_a_metric_by_accident() -> None:
    """Names that meet, and one name with another type or other labels, are refused with both sides."""
    registry = MetricsRegistry()
    first = registry.of("worker").counter("token_checks", "Checks", ["kind"])
    first.inc(kind="a")
    registry.of("worker").counter("token_checks", "Checks", ["kind"]).inc(kind="a")
    with pytest.raises(PluginError, match=r"'worker_token': the metric .* as a counter of 'worker'"):
        registry.of("worker_token").counter("checks", "Checks", ["kind"])
    with pytest.raises(PluginError, match="'worker': the metric"):
        registry.of("worker").gauge("token_checks", "Checks", ["kind"])
    with pytest.raises(PluginError, match="'worker': the metric"):
        registry.of("worker").counter("token_checks", "Checks", ["other"])
    with pytest.raises(PluginError, match=r"'worker': the metric .* exists already"):
        registry.of("worker").counter("token_checks_total", "Checks")
    registry.of("worker").histogram("wait", "Waits")
    with pytest.raises(PluginError, match=r"'worker': the metric .* cannot be created: .*same name"):
        registry.of("worker").gauge("wait_sum", "Waits")
    for name, labels in (("Bad", ()), ("good", ("le",)), ("good", ("a", "a"))):
        with pytest.raises(PluginError, match="cannot be created"):
            registry.of("worker").gauge(name, "Bad", labels)


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
