"""The values of the metrics of one process, in a file that other processes of the server read.

Two files belong to a process. ``<process>.values`` is an array of doubles, which the process maps into its memory. To
count is to add to an element, without a lock or a system call, and the values survive a kill. ``<process>.names`` has
one line of JSON for each series: its name, its labels, and its place in the array. The file only grows.

A line is written before the series counts for the first time. A reader leaves an incomplete line out.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

CHUNK = 8192
"""The number of doubles by which the array grows: 64 KiB, a multiple of the page size of all platforms."""

DECLARED = -1
"""The place of a metric that has no series yet."""

_BYTES = CHUNK * 8

Doubles: TypeAlias = "memoryview[float]"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric with all that its series share.

    Attributes:
        name: the full name.
        type: ``counter``, ``gauge`` or ``histogram``.
        help: the description.
        labels: names of the labels.
        mode: how the values of several processes become one (``core.metrics.GaugeMode``); ``sum`` but for gauges.
        buckets: upper bounds of a histogram.
    """

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()
    mode: str = "sum"
    buckets: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """The number of doubles of one series.

        A histogram has its counts by bucket, with the one above the greatest bound, then the sum. A gauge has its
        value, then the time at which it was set, 0 for never.
        """
        return {"counter": 1, "gauge": 2}.get(self.type, len(self.buckets) + 2)


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its family, its label values, and its place in the array."""

    family: MetricFamily
    values: tuple[str, ...]
    at: int


class Values:
    """The values of this process; without ``path``, in memory alone.

    Args:
        path: the files, without the endings.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.series: list[Series] = []
        self._chunks: list[Doubles] = []
        self._used = CHUNK
        # this file first: a reader that finds the other one reads both
        self._file = None if path is None else os.open(_values_of(path), os.O_CREAT | os.O_RDWR, 0o600)
        self._names = None if path is None else os.open(_names_of(path), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def add(self, family: MetricFamily, values: Sequence[str]) -> tuple[Doubles, int]:
        """Add a series; return the part of the array in which it is, and its place there.

        Raises:
            OSError: the disk is full.
        """
        width = family.width
        if self._used + width > CHUNK:
            self._grow()
        place, self._used = self._used, self._used + width
        at = (len(self._chunks) - 1) * CHUNK + place
        self._write(Series(family, tuple(values), at))
        return self._chunks[-1], place

    def declare(self, family: MetricFamily) -> None:
        """Let a metric be shown before it has a series."""
        self._write(Series(family, (), DECLARED))

    def read(self) -> Doubles:
        """Return the array as it is now."""
        return memoryview(b"".join(chunk.tobytes() for chunk in self._chunks)).cast("d")

    def close(self) -> None:
        """Close the files; series that were added go on counting."""
        if self._names is not None and self._file is not None:
            os.close(self._names)
            os.close(self._file)
        self._names = self._file = None

    def _write(self, series: Series) -> None:
        if self._names is not None:
            os.write(self._names, _line(series))
        self.series.append(series)

    def _grow(self) -> None:
        if self._file is None:
            self._chunks.append(memoryview(bytearray(_BYTES)).cast("d"))
        else:
            offset = len(self._chunks) * _BYTES
            # written, not only reserved: a page that the disk has no room for would kill the process at its first use
            os.pwrite(self._file, bytes(_BYTES), offset)
            self._chunks.append(memoryview(mmap.mmap(self._file, _BYTES, offset=offset)).cast("d"))
        self._used = 0


class StoredValues:
    """The values of another process, read from its files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.series: list[Series] = []
        self._seen = 0
        self._families: dict[str, MetricFamily] = {}

    def refresh(self) -> bool:
        """Read the series that were added since; return whether there are any."""
        with _names_of(self.path).open("rb") as names:
            names.seek(self._seen)
            data = names.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._seen += len(whole)
        added = [series for line in whole.splitlines() if (series := self._parsed(line)) is not None]
        self.series += added
        return bool(added)

    def read(self) -> Doubles:
        """Return the array as it is now."""
        data = _values_of(self.path).read_bytes()
        return memoryview(data[: len(data) // 8 * 8]).cast("d")

    def _parsed(self, line: bytes) -> Series | None:
        try:
            entry = json.loads(line)
            values, at = tuple(entry.pop("values")), int(entry.pop("at"))
            family = MetricFamily(**{**entry, "labels": tuple(entry["labels"]), "buckets": tuple(entry["buckets"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None  # of a process that was killed while the disk was full
        return Series(self._families.setdefault(family.name, family), values, at)


def stored(folder: Path) -> Iterator[Path]:
    """Yield the files of all processes in a folder, without the endings."""
    for names in folder.glob("*.names"):
        yield names.with_suffix("")


def remove(path: Path) -> None:
    """Remove the files of a process."""
    _names_of(path).unlink(missing_ok=True)
    _values_of(path).unlink(missing_ok=True)


def _names_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.names")


def _values_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.values")


def _line(series: Series) -> bytes:
    entry = {**asdict(series.family), "values": series.values, "at": series.at}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"
