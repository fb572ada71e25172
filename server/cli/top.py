"""Show the numbers of a running server on the terminal: calls, queues, pollers, latencies and slow statements."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from core.errors import FlovynError, Unavailable
from server.boot.edition import Edition
from server.cli.parsers import number

URL = "http://127.0.0.1:8000/_/metrics"
KEY_VARIABLE = "FLOVYN_METRICS_KEY"
SHOWN = 10
"""The number of rows of each table."""

_CLEAR = "\x1b[H\x1b[J"
_LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = frozenset[tuple[str, str]]
Sample = Mapping[str, Mapping[Labels, float]]
"""Values by metric and labels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--url", default=URL, help=f"address of the metrics (default: {URL})")
    parser.add_argument(
        "--every", type=number("seconds"), default=2.0, metavar="S", help="seconds between two looks (default: 2)"
    )
    parser.add_argument(
        "--once", action="store_true", help="show the numbers of one period, without clearing the screen"
    )
    parser.epilog = f"{KEY_VARIABLE} holds the key of an operator or a scraper; [metrics] port needs none."


def run(_edition: Edition, arguments: argparse.Namespace) -> int:
    """Show the numbers until interrupted."""
    if arguments.every <= 0:
        raise FlovynError("--every must be more than 0 seconds")
    before, at = parsed(_fetched(arguments.url)), time.monotonic()
    while True:
        time.sleep(arguments.every)
        now, then = parsed(_fetched(arguments.url)), time.monotonic()
        lines = screen(before, now, then - at)
        sys.stdout.write(("" if arguments.once else _CLEAR) + "\n".join(lines) + "\n")
        sys.stdout.flush()
        if arguments.once:
            return 0
        before, at = now, then


def _fetched(url: str) -> str:
    key = os.environ.get(KEY_VARIABLE)
    if not url.startswith(("http://", "https://")):
        raise FlovynError(f"--url: {url} is no address of HTTP")
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            text: str = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise FlovynError(f"{url} answers {error.code}; {KEY_VARIABLE} must hold a key that may read metrics") from None
    except OSError as error:
        raise Unavailable(f"{url} cannot be reached: {error}") from None
    return text


def parsed(text: str) -> Sample:
    """Return the values of a text in the format of Prometheus."""
    found: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
    for line in text.splitlines():
        if (match := _LINE.match(line)) is not None and not line.startswith("#"):
            found[match[1]][frozenset(_LABEL.findall(match[2] or ""))] = float(match[3])
    return found


def screen(before: Sample, now: Sample, seconds: float) -> Iterator[str]:
    """Yield the lines of the screen; ``seconds`` lie between the samples."""
    change = {
        name: {labels: max(0.0, value - before.get(name, {}).get(labels, 0.0)) for labels, value in series.items()}
        for name, series in now.items()
    }

    def rate(name: str, **labels: str) -> float:
        return sum(_matching(change.get(name, {}), labels)) / seconds

    def total(name: str, **labels: str) -> float:
        return sum(_matching(now.get(name, {}), labels))

    yield (
        f"calls {rate('flovyn_calls_total'):.0f}/s   failed {rate('flovyn_calls_total', code='internal'):.1f}/s   "
        f"workflows {rate('flovyn_workflows_started_total'):.0f}/s started, "
        f"{rate('flovyn_workflows_ended_total'):.0f}/s ended   "
        f"agents {rate('flovyn_agents_ended_total'):.0f}/s ended   tasks {rate('flovyn_tasks_ended_total'):.0f}/s ended"
    )
    yield (
        f"processor {100 * rate('process_cpu_seconds_total'):.0f} %   memory "
        f"{total('process_resident_memory_bytes') / 2**20:.0f} MiB   connections "
        f"{total('flovyn_pool_connections', state='in_use'):.0f} in use, "
        f"{total('flovyn_pool_calls_waiting'):.0f} calls wait   timers overdue {total('flovyn_timers_overdue'):.0f}"
    )
    yield ""
    yield f"{'QUEUE':<36} {'CATEGORY':<9} {'PENDING':>8} {'OLDEST s':>9} {'PARKED':>7} {'POLLS/s':>8} {'WAIT ms':>8}"
    yield from _queues(now, change, seconds)
    yield ""
    yield f"{'OPERATION':<62} {'CALLS/s':>8} {'MEAN ms':>8} {'FAILED/s':>8}"
    yield from _means(change, "flovyn_call_duration_seconds", "operation", seconds, failures=True)
    yield ""
    yield f"{'STATEMENT':<62} {'TIMES/s':>8} {'MEAN ms':>8}"
    yield from _means(change, "flovyn_statement_duration_seconds", "statement", seconds)


def _matching(series: Mapping[Labels, float], labels: Mapping[str, str]) -> Iterator[float]:
    wanted = labels.items()
    return (value for own, value in series.items() if wanted <= own)


def _queues(now: Sample, change: Sample, seconds: float) -> Iterator[str]:
    """Yield the rows of the queues, those with the oldest work first."""
    keys = {
        (dict(labels).get("category", ""), dict(labels).get("queue", ""))
        for name in ("flovyn_queue_depth", "flovyn_pollers_parked")
        for labels in now.get(name, {})
    }

    def facts(category: str, queue: str) -> Sequence[float]:
        labels = {"category": category, "queue": queue}

        def of(values: Sample, name: str) -> list[float]:
            return list(_matching(values.get(name, {}), labels))

        waits, count = sum(of(change, f"{_WAIT}_sum")), sum(of(change, f"{_WAIT}_count"))
        return (
            sum(of(now, "flovyn_queue_depth")),
            max(of(now, "flovyn_queue_oldest_age_seconds"), default=0.0),
            sum(of(now, "flovyn_pollers_parked")),
            sum(of(change, "flovyn_polls_total")) / seconds,
            1000 * waits / count if count else 0.0,
        )

    rows = sorted(((facts(*key), *key) for key in keys), key=lambda row: (-row[0][1], row[2], row[1]))
    for (pending, oldest, parked, polls, wait), category, queue in rows[:SHOWN]:
        yield f"{queue[:36]:<36} {category:<9} {pending:>8.0f} {oldest:>9.1f} {parked:>7.0f} {polls:>8.1f} {wait:>8.2f}"


_WAIT = "flovyn_schedule_to_start_seconds"


def _means(change: Sample, metric: str, label: str, seconds: float, *, failures: bool = False) -> Iterator[str]:
    """Yield the rows of a histogram by one label, those with the most time first."""
    sums, counts = change.get(f"{metric}_sum", {}), change.get(f"{metric}_count", {})
    rows = sorted(
        ((sums.get(labels, 0.0), count, dict(labels)[label]) for labels, count in counts.items()), reverse=True
    )
    for spent, count, name in rows[:SHOWN]:
        if count:
            failed = sum(_matching(change.get("flovyn_calls_total", {}), {label: name, "code": "internal"})) / seconds
            end = f" {failed:>8.1f}" if failures else ""
            yield f"{name[:62]:<62} {count / seconds:>8.1f} {1000 * spent / count:>8.2f}{end}"
