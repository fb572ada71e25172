"""Pairs of times that contradict each other. A configuration that sets both is refused with both keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config.settings import Settings

CONTRADICTIONS = (
    (
        "engine.worker_silence",
        "engine.activation_lease",
        "a worker would never count as gone before the lease of its workflows is over",
    ),
    (
        "database.statement_timeout",
        "engine.activation_lease",
        "the lease of a claim could be over before the statement that writes it ends",
    ),
    (
        "database.statement_timeout",
        "engine.task_lease",
        "the lease of a claim could be over before the statement that writes it ends",
    ),
    (
        "database.statement_timeout",
        "engine.worker_silence",
        "a worker would count as gone while the statement that writes its sign of life goes on",
    ),
    (
        "database.connect_timeout",
        "engine.worker_silence",
        "a worker would count as gone while its sign of life waits for a connection",
    ),
)
"""The key of the shorter time, the key of the longer time, and the reason. Only keys that are set are compared: no two
defaults contradict each other."""


def contradictions(settings: Settings) -> Iterator[str]:
    """Yield the problem of each pair of times that are both set and contradict each other."""
    for shorter, longer, otherwise in CONTRADICTIONS:
        first, second = _set_value(settings, shorter), _set_value(settings, longer)
        if first is not None and second is not None and first > second:
            yield f"{shorter} ({first:g} s) must not be longer than {longer} ({second:g} s): {otherwise}"


def _set_value(settings: Settings, key: str) -> float | None:
    table, _, name = key.partition(".")
    section = getattr(settings, table)
    return float(getattr(section, name)) if name in section.model_fields_set else None
