"""Adds up the values of several processes and writes them in Prometheus' text format.

The text before each value is kept between two scrapes: a scrape reads the arrays, adds, and joins texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from server.observability.values import DECLARED, Doubles, MetricFamily, Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Place = tuple[int, int]
"""A source, and a place in its array."""


class ProcessValues(Protocol):
    """The values of one process."""

    series: list[Series]

    def read(self) -> Doubles:
        """Return the array as it is now."""


class Exposition:
    """The text of the metrics of some processes; ``sources`` must not change."""

    def __init__(self, sources: Sequence[ProcessValues]) -> None:
        self._sources = sources
        self._families: dict[str, tuple[MetricFamily, dict[tuple[str, ...], list[_Place]]]] = {}
        for number, source in enumerate(sources):
            for series in source.series:
                # the first process says what the metric is: one of an older configuration may have other buckets
                family, places = self._families.setdefault(series.family.name, (series.family, {}))
                if series.at != DECLARED and _shape(family) == _shape(series.family):
                    places.setdefault(series.values, []).append((number, series.at))
        self._parts = [
            (family, _head(family), [(_prefixes(family, values), at) for values, at in sorted(places.items())])
            for family, places in (self._families[name] for name in sorted(self._families))
        ]

    def text(self) -> bytes:
        """Return the present values."""
        arrays = [source.read() for source in self._sources]
        lines: list[str] = []
        for family, head, all_series in self._parts:
            lines.append(head)
            for prefixes, places in all_series:
                present = [arrays[number][at : at + family.width] for number, at in places]
                values = _merged(family, [each for each in present if len(each) == family.width])
                lines += [f"{prefix}{_number(value)}\n" for prefix, value in zip(prefixes, values, strict=False)]
        return "".join(lines).encode()


def _shape(family: MetricFamily) -> tuple[str, tuple[str, ...], tuple[float, ...]]:
    return family.type, family.labels, family.buckets


def _merged(family: MetricFamily, present: Sequence[Doubles]) -> Sequence[float]:
    """Return the values of a series, in the order of its prefixes; none for a gauge that no process has set."""
    if family.type == "gauge":
        return _gauge(family.mode, [(each[0], each[1]) for each in present if each[1]])
    if family.type == "counter":
        return (sum(each[0] for each in present),)
    totals = [sum(column) for column in zip(*present, strict=True)] if len(present) != 1 else list(present[0])
    values: list[float] = []
    count = 0.0
    for each in totals[:-1]:
        count += each
        values.append(count)
    return [*values, count, *totals[-1:]]


def _gauge(mode: str, values: Iterable[tuple[float, float]]) -> Sequence[float]:
    found = list(values)
    if not found:
        return ()
    if mode == "latest":
        return (max(found, key=lambda each: each[1])[0],)
    numbers = [value for value, _ in found]
    return (max(numbers) if mode == "max" else min(numbers) if mode == "min" else sum(numbers),)


def _head(family: MetricFamily) -> str:
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {text}\n# TYPE {family.name} {family.type}\n"


def _prefixes(family: MetricFamily, values: Sequence[str]) -> list[str]:
    """Return the texts before the values of a series: of its lines, in their order."""
    own = [f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, values, strict=True)]
    if family.type != "histogram":
        return [f"{family.name}{_braces(own)} "]
    bounds = [*(_number(bound) for bound in family.buckets), "+Inf"]
    buckets = [f"{family.name}_bucket{_braces([*own, _le(bound)])} " for bound in bounds]
    return [*buckets, f"{family.name}_count{_braces(own)} ", f"{family.name}_sum{_braces(own)} "]


def _le(bound: str) -> str:
    return f'le="{bound}"'


def _braces(labels: Sequence[str]) -> str:
    return "{" + ",".join(labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)
