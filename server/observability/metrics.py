"""Metrics in Prometheus' text format, the server's and the plugins', over all worker processes.

Each process writes its values into files of its own in one folder, which the supervising process makes; a scrape adds
them up, whichever worker answers it. Without that folder (tests, commands) a process counts for itself.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import PluginError, Unavailable
from core.metrics import Counter, Gauge, Histogram

if TYPE_CHECKING:  # the library looks for the folder when it is imported, which must not be before it is there
    import prometheus_client

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_log = logging.getLogger(__name__)
_PREFIX = "flovyn-metrics-"
_OWNER = "owner"
"""A file that is locked for as long as a process of the folder's server lives."""

_SUMS = ("counter", "histogram")
"""Kinds whose values stay when their process has ended; they are added to those of process 0, which is none."""


@contextmanager
def shared_folder() -> Iterator[None]:
    """Make the folder for this process and those that it forks, and remove it at the end.

    Folders of servers that were killed are removed, too.
    """
    _remove_orphans(Path(tempfile.gettempdir()))
    folder = tempfile.mkdtemp(prefix=_PREFIX)
    owner = os.getpid()
    lock = os.open(Path(folder, _OWNER), os.O_CREAT | os.O_RDWR, 0o600)  # inherited by forks, closed by their end
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked worker leaves this context, too
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(parent: Path) -> None:
    for owner in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError), owner.open("r+b") as opened:  # another user's, or in use, or just removed
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(owner.parent)


def forget(pid: int) -> None:
    """Leave the gauges of an ended worker out from now on, and keep its sums without its files."""
    from prometheus_client import multiprocess

    folder = Path(os.environ[FOLDER_VARIABLE])
    try:
        with _locked(folder, fcntl.LOCK_EX):
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
            for kind in _SUMS:
                _add_up(folder / f"{kind}_{pid}.db", folder / f"{kind}_0.db")
    except Exception:  # noqa: BLE001 - a disk that is full, a file half written: no reason to stop supervising
        _log.exception("what the ended worker %d counted is lost", pid)


def _add_up(ended: Path, sums: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    if not ended.exists():
        return
    total: Any = MmapedDict(str(sums))  # type: ignore[no-untyped-call]
    try:
        values: Any = MmapedDict.read_all_values_from_file(str(ended))  # type: ignore[no-untyped-call]
        for key, value, timestamp, _position in list(values):  # all is read before any is added
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    finally:
        total.close()
        ended.unlink()


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Keep sums from being moved while they are read: they would count twice, or not at all."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, how)
        yield
    finally:
        os.close(opened)


class MetricsRegistry:
    """Everything that one process counts."""

    def __init__(self, *, counts: bool = True) -> None:
        """Start empty; one that does not count checks what is asked of it and shows nothing."""
        from prometheus_client import CollectorRegistry

        self._registry = CollectorRegistry()
        self._made: dict[str, tuple[_Kind, Any]] = {}
        self.counts = counts

    def of(self, owner: str) -> OwnMetrics:
        """Return what makes the metrics of ``owner``: a plugin's name in underscores, or a part of the server."""
        return OwnMetrics(self, owner)

    def make(self, kind: _Kind, name: str, description: str, **more: Any) -> Any:
        """Return the metric of that name, made at the first call.

        Raises:
            PluginError: the name is not valid, or taken by a metric of another owner, type or set of labels.
        """
        import prometheus_client

        if name not in self._made:
            constructor = getattr(prometheus_client, kind.type)
            try:
                made = constructor(name, description, labelnames=kind.labels, registry=self._registry, **more)
            except ValueError as error:
                raise PluginError(f"plugin {kind.owner!r}: the metric {name!r} cannot be made: {error}") from error
            self._made[name] = kind, made
        first, metric = self._made[name]
        if first != kind:
            raise PluginError(
                f"plugin {kind.owner!r}: the metric {name!r} is there already, as {first}; choose another name"
            )
        return metric

    def text(self) -> bytes:
        """Return the values of all processes.

        Raises:
            Unavailable: somebody removed the folder with the values.
        """
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess

        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        folder = Path(os.environ[FOLDER_VARIABLE])
        registry = CollectorRegistry()
        try:
            with _locked(folder, fcntl.LOCK_SH):
                multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
                return generate_latest(registry)
        except FileNotFoundError:
            raise Unavailable(f"the folder of metrics {folder} was removed; restart the server to count anew") from None


@dataclass(frozen=True, slots=True)
class _Kind:
    """What two metrics of one name must have in common."""

    owner: str
    type: str
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return f"a {self.type} of {self.owner!r} with the labels {list(self.labels)}"


class OwnMetrics:
    """Implements ``core.metrics.Metrics``."""

    def __init__(self, registry: MetricsRegistry, owner: str) -> None:
        """Take whose metrics these are."""
        self._registry = registry
        self._owner = owner

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter."""
        return _Counter(self._make("Counter", name, description, labels), self._registry.counts)

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """Return the gauge; processes' values are added up, those of ended processes left out."""
        made = self._make("Gauge", name, description, labels, multiprocess_mode="livesum")
        return _Gauge(made, self._registry.counts)

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Histogram:
        """Return the histogram."""
        return _Histogram(self._make("Histogram", name, description, labels), self._registry.counts)

    def _make(self, kind: str, name: str, description: str, labels: Sequence[str], **more: Any) -> Any:
        full = f"flovyn_{self._owner}_{name}"
        return self._registry.make(_Kind(self._owner, kind, tuple(labels)), full, description, **more)


class _Counter:
    def __init__(self, metric: prometheus_client.Counter, counts: bool) -> None:  # noqa: FBT001 - ours alone
        self._metric, self._counts = metric, counts

    def inc(self, amount: float = 1, **labels: str) -> None:
        if self._counts:
            (self._metric.labels(**labels) if labels else self._metric).inc(amount)


class _Gauge:
    def __init__(self, metric: prometheus_client.Gauge, counts: bool) -> None:  # noqa: FBT001 - ours alone
        self._metric, self._counts = metric, counts

    def set(self, value: float, **labels: str) -> None:
        if self._counts:
            (self._metric.labels(**labels) if labels else self._metric).set(value)


class _Histogram:
    def __init__(self, metric: prometheus_client.Histogram, counts: bool) -> None:  # noqa: FBT001 - ours alone
        self._metric, self._counts = metric, counts

    def observe(self, value: float, **labels: str) -> None:
        if self._counts:
            (self._metric.labels(**labels) if labels else self._metric).observe(value)
