"""Times that contradict each other: a configuration that sets both is refused, with both keys."""

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
"""The first must not be longer than the second; the third says why. Only keys that are set count, as no default
contradicts another."""


def contradictions(settings: Settings) -> Iterator[str]:
    """Yield what is wrong with each pair of times that are both set."""
    for shorter, longer, otherwise in CONTRADICTIONS:
        first, second = _given(settings, shorter), _given(settings, longer)
        if first is not None and second is not None and first > second:
            yield f"{shorter} ({first:g} s) must not be longer than {longer} ({second:g} s): {otherwise}"


def _given(settings: Settings, key: str) -> float | None:
    table, _, name = key.partition(".")
    section = getattr(settings, table)
    return float(getattr(section, name)) if name in section.model_fields_set else None
