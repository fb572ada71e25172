"""Metrics of the server and its plugins, over all worker processes, in the text format of Prometheus.

Each process writes its values into its own files in one folder, which the supervising process creates. A scrape adds up
the values of all processes, in whichever worker it runs. Without the folder, as in tests, a process counts for itself.
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

if TYPE_CHECKING:  # the library reads the variable of the folder when it is imported, which must be later
    import prometheus_client

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_log = logging.getLogger(__name__)
_PREFIX = "flovyn-metrics-"
_OWNER = "owner"
"""The name of a file that is locked as long as a process of the server lives."""

_SUMS = ("counter", "histogram")
"""Kinds whose values outlive their process: they are added to the values of process 0, which does not exist."""


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


def forget(pid: int) -> None:
    """Remove the gauges of an ended worker, and keep its sums without its files."""
    from prometheus_client import multiprocess

    folder = Path(os.environ[FOLDER_VARIABLE])
    try:
        with _locked(folder, fcntl.LOCK_EX):
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
            for kind in _SUMS:
                _add_up(folder / f"{kind}_{pid}.db", folder / f"{kind}_0.db")
    except Exception:  # noqa: BLE001 - a full disk or an incomplete file must not stop the supervisor
        _log.exception("the values of the ended worker %d are lost", pid)


def _add_up(ended: Path, sums: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    if not ended.exists():
        return
    total: Any = MmapedDict(str(sums))  # type: ignore[no-untyped-call]
    try:
        values: Any = MmapedDict.read_all_values_from_file(str(ended))  # type: ignore[no-untyped-call]
        for key, value, timestamp, _position in list(values):  # read the whole file before adding anything
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    finally:
        total.close()
        ended.unlink()


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Lock the folder: sums that are moved while they are read would count twice, or not at all."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, how)
        yield
    finally:
        os.close(opened)


class MetricsRegistry:
    """The metrics of one process; with ``counts=False``, metrics are checked but record nothing."""

    def __init__(self, *, counts: bool = True) -> None:
        from prometheus_client import CollectorRegistry

        self._registry = CollectorRegistry()
        self._made: dict[str, tuple[_Kind, Any]] = {}
        self.counts = counts

    def of(self, owner: str) -> OwnMetrics:
        """Return the metrics of ``owner``: the name of a plugin in underscores, or of a part of the server."""
        return OwnMetrics(self, owner)

    def make(self, kind: _Kind, name: str, description: str, **more: Any) -> Any:
        """Return the metric ``name``; the first call creates it.

        Raises:
            PluginError: the name is not valid, or taken by a metric of another owner, type or set of labels.
        """
        import prometheus_client

        if name not in self._made:
            constructor = getattr(prometheus_client, kind.type)
            try:
                made = constructor(name, description, labelnames=kind.labels, registry=self._registry, **more)
            except ValueError as error:
                raise PluginError(f"plugin {kind.owner!r}: the metric {name!r} cannot be created: {error}") from error
            self._made[name] = kind, made
        first, metric = self._made[name]
        if first != kind:
            raise PluginError(
                f"plugin {kind.owner!r}: the metric {name!r} exists already as {first}; choose another name"
            )
        return metric

    def text(self) -> bytes:
        """Return the values of all processes.

        Raises:
            Unavailable: the folder with the values was removed.
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
            raise Unavailable(
                f"the folder of metrics {folder} was removed; restart the server to count again"
            ) from None


@dataclass(frozen=True, slots=True)
class _Kind:
    """The properties that two metrics of one name must share."""

    owner: str
    type: str
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return f"a {self.type} of {self.owner!r} with the labels {list(self.labels)}"


class OwnMetrics:
    """The metrics of one owner; implements ``core.metrics.Metrics``."""

    def __init__(self, registry: MetricsRegistry, owner: str) -> None:
        self._registry = registry
        self._owner = owner

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter."""
        return _Counter(self._make("Counter", name, description, labels), self._registry.counts)

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """Return the gauge; the values of all living processes are added up."""
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
