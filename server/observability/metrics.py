"""Metrics of the server and its plugins, over all worker processes, in the text format of Prometheus.

Each process counts in its own files in one folder (``server.observability.values``), which the supervising process
creates. A scrape adds up the values of all processes, in whichever worker it runs. Without the folder, as in tests, a
process counts for itself.
"""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import PluginError, Unavailable
from core.metrics import DURATION_BUCKETS, Counter, Gauge, GaugeMode, Histogram, MetricPoint, MetricSnapshot
from server.observability.exposition import Exposition
from server.observability.instruments import CounterMetric, GaugeMetric, HistogramMetric, Metric
from server.observability.values import DECLARED, Doubles, MetricFamily, StoredValues, Values, remove, stored

FOLDER_VARIABLE = "FLOVYN_METRICS_FOLDER"
_log = logging.getLogger(__name__)
_PREFIX = "flovyn-metrics-"
_OWNER = "owner"
"""The name of a file that is locked as long as a process of the server lives."""

_ENDED = "ended"
"""The begin of the names of files with the sums of the ended processes."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_numbers = itertools.count(1)


@contextmanager
def shared_folder() -> Iterator[None]:
    """Create the folder for this process and its forks, and remove it at the end.

    Folders of servers that were killed are removed, too.
    """
    _remove_orphans(Path(tempfile.gettempdir()))
    folder = tempfile.mkdtemp(prefix=_PREFIX)
    owner = os.getpid()
    lock = os.open(
        Path(folder, _OWNER), os.O_CREAT | os.O_RDWR, 0o600
    )  # forks inherit the lock, which is free when all of them have ended
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        if os.getpid() == owner:  # forked workers leave this context as well
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(parent: Path) -> None:
    for owner in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError), owner.open("r+b") as opened:  # the folder of another user, in use, or just removed
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(owner.parent)


def folder() -> Path | None:
    """Return the folder that the processes of this server share; None without one."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else None


def forget(pid: int) -> None:
    """Remove the gauges of an ended worker, and keep its sums without its files."""
    shared = folder()
    if shared is None:
        return
    try:
        with _locked(shared, fcntl.LOCK_EX):
            ended = [each for each in stored(shared) if each.name.partition("-")[0] in (str(pid), _ENDED)]
            _add_up(ended, shared / f"{_ENDED}-{next(_numbers)}")
    except Exception:  # noqa: BLE001 - a full disk or an incomplete file must not stop the supervisor
        _log.exception("the values of the ended worker %d are lost", pid)


def _add_up(ended: Sequence[Path], sums: Path) -> None:
    """Write the counters and histograms of ended processes as those of one, and remove their files."""
    total = Values(sums)
    places: dict[tuple[MetricFamily, tuple[str, ...]], tuple[Doubles, int]] = {}
    for path in ended:
        values = StoredValues(path)
        values.refresh()
        array = values.read()
        for series in values.series:
            family, at = series.family, series.at
            if family.type == "gauge" or at == DECLARED or at + family.width > len(array):
                continue
            key = (family, series.values)
            if key not in places:
                places[key] = total.add(family, series.values)
            view, place = places[key]
            for offset in range(family.width):
                view[place + offset] += array[at + offset]
    total.close()
    for path in ended:
        remove(path)


@contextmanager
def _locked(shared: Path, how: int) -> Iterator[None]:
    """Lock the folder: sums that are moved while they are read would count twice, or not at all."""
    opened = os.open(shared, os.O_RDONLY)
    try:
        fcntl.flock(opened, how)
        yield
    finally:
        os.close(opened)


class MetricsRegistry:
    """The metrics of one process; with ``counts=False``, metrics are checked but record nothing.

    ``shared=False`` keeps the values in memory: other processes do not show them.
    """

    def __init__(self, *, counts: bool = True, shared: bool = True) -> None:
        self.counts = counts
        self._made: dict[str, tuple[str, Metric]] = {}
        self._taken: dict[str, str] = {}
        place = folder() if counts and shared else None
        self._values = Values(None if place is None else place / f"{os.getpid()}-{next(_numbers)}")
        self._sources: dict[Path, StoredValues] = {}
        self._exposition = Exposition([])

    def of(self, owner: str) -> OwnMetrics:
        """Return the metrics of ``owner``: the name of a plugin in underscores."""
        return OwnMetrics(self, owner, f"flovyn_{owner}_")

    @property
    def server(self) -> OwnMetrics:
        """The metrics of the server itself."""
        return OwnMetrics(self, "the server", "flovyn_")

    @property
    def process(self) -> OwnMetrics:
        """The metrics with the names that all programs give to facts about their processes."""
        return OwnMetrics(self, "the server", "process_")

    def make(self, owner: str, family: MetricFamily) -> Metric:
        """Return the metric of a family; the first call creates it.

        Raises:
            PluginError: a name or a bound is not valid, or the name is taken by another metric.
        """
        if family.name in self._made:
            first_owner, metric = self._made[family.name]
            if (first_owner, _kind(metric.family)) != (owner, _kind(family)):
                first = _described(first_owner, metric)
                raise PluginError(
                    f"plugin {owner!r}: the metric {family.name!r} exists already as {first}; choose another name"
                )
            return metric
        taken = [self._taken[name] for name in _samples(family) if name in self._taken]
        problem = _problem(family) or "".join(taken[:1])
        if problem:
            raise PluginError(f"plugin {owner!r}: the metric {family.name!r} cannot be created: {problem}")
        metric = _TYPES[family.type](family, self._values, counts=self.counts)
        self._made[family.name] = owner, metric
        self._taken |= dict.fromkeys(_samples(family), f"{family.name!r} has a line of the same name")
        return metric

    def text(self) -> bytes:
        """Return the values of all processes.

        Raises:
            Unavailable: the folder with the values was removed.
        """
        shared = folder()
        if shared is None or self._values.path is None:
            return Exposition([self._values]).text()
        try:
            with _locked(shared, fcntl.LOCK_SH):
                self._refresh(set(stored(shared)))
                return self._exposition.text()
        except FileNotFoundError:
            raise Unavailable(
                f"the folder of metrics {shared} was removed; restart the server to count again"
            ) from None

    def snapshots(self) -> list[MetricSnapshot]:
        """Return the values of this process."""
        array, all_series = self._values.read(), list(self._values.series)
        found: dict[MetricFamily, list[MetricPoint]] = {}
        for series in all_series:
            family, values = series.family, array[series.at : series.at + series.family.width]
            if series.at == DECLARED or len(values) < family.width or (family.type == "gauge" and not values[1]):
                continue
            labels = dict(zip(family.labels, series.values, strict=True))
            is_histogram = family.type == "histogram"
            counts = [int(each) for each in values[:-1]] if is_histogram else []
            point = MetricPoint(labels, values[-1] if is_histogram else values[0], counts)
            found.setdefault(family, []).append(point)
        return [MetricSnapshot(each.name, each.type, each.help, each.buckets, found[each]) for each in found]

    def close(self) -> None:
        """Close the files; the values stay."""
        self._values.close()

    def _refresh(self, paths: set[Path]) -> None:
        changed = paths != self._sources.keys()
        if changed:
            self._sources = {path: self._sources.get(path) or StoredValues(path) for path in sorted(paths)}
        for source in self._sources.values():
            changed = source.refresh() or changed
        if changed:
            self._exposition = Exposition(list(self._sources.values()))


_TYPES: dict[str, type[Metric]] = {"counter": CounterMetric, "gauge": GaugeMetric, "histogram": HistogramMetric}


def _kind(family: MetricFamily) -> tuple[object, ...]:
    return family.type, family.labels, family.mode, family.buckets


def _described(owner: str, metric: Metric) -> str:
    return f"a {metric.family.type} of {owner!r} with the labels {list(metric.family.labels)}"


def _samples(family: MetricFamily) -> list[str]:
    """Return the names that belong to a metric: those of its lines, and a counter's without the ending."""
    ends = ("", "_bucket", "_count", "_sum") if family.type == "histogram" else ("",)
    bare = [family.name.removesuffix("_total")] if family.type == "counter" else []
    return [*bare, *(f"{family.name}{end}" for end in ends)]


def _problem(family: MetricFamily) -> str | None:
    """Return the problem of a new metric; None if it has none."""
    bad = [name for name in (family.name, *family.labels) if not _NAME.fullmatch(name)]
    if bad:
        return f"{bad[0]!r} is no name: lower case letters, digits and underscores, not beginning with a digit"
    if "le" in family.labels or any(name.startswith("__") for name in family.labels):
        return "the labels 'le' and '__…' belong to Prometheus"
    if len(set(family.labels)) < len(family.labels):
        return "a label is named twice"
    if list(family.buckets) != sorted(set(family.buckets)) or (family.type == "histogram" and not family.buckets):
        return "the buckets must be ascending upper bounds, at least one"
    return None


class OwnMetrics:
    """The metrics of one owner; implements ``core.metrics.Metrics``."""

    def __init__(self, registry: MetricsRegistry, owner: str, prefix: str) -> None:
        self._registry = registry
        self._owner = owner
        self._prefix = prefix

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter; its name gets ``_total`` if it lacks it."""
        family = MetricFamily(
            f"{self._prefix}{name.removesuffix('_total')}_total", "counter", description, tuple(labels)
        )
        metric = self._registry.make(self._owner, family)
        assert isinstance(metric, CounterMetric)
        return metric

    def gauge(self, name: str, description: str, labels: Sequence[str] = (), mode: GaugeMode = "sum") -> Gauge:
        """Return the gauge."""
        family = MetricFamily(f"{self._prefix}{name}", "gauge", description, tuple(labels), mode)
        metric = self._registry.make(self._owner, family)
        assert isinstance(metric, GaugeMetric)
        return metric

    def histogram(
        self, name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = DURATION_BUCKETS
    ) -> Histogram:
        """Return the histogram."""
        bounds = tuple(float(bound) for bound in buckets)
        family = MetricFamily(f"{self._prefix}{name}", "histogram", description, tuple(labels), buckets=bounds)
        metric = self._registry.make(self._owner, family)
        assert isinstance(metric, HistogramMetric)
        return metric
