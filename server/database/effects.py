"""Effects in memory that wait for the commit of a connection's transaction: a rollback drops them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from core.unit_of_work import current
from server.observability.work_meter import WorkMeter

Effect = Callable[[], None]


def count(connection: Any, effect: Callable[[WorkMeter], None]) -> None:
    """Call ``effect`` with the meter of work once the connection's transaction is committed; without a meter, never."""
    meter = getattr(connection, "meter", None)
    if meter is None or meter.work is None:
        return
    after_commit_of(connection, partial(effect, meter.work))


def after_commit_of(connection: Any, effect: Effect) -> None:
    """Call ``effect`` once the connection's transaction is committed; never for a connection of no pool."""
    unit = current()
    if unit is not None:
        unit.after_commit(effect)
    elif (effects := getattr(connection, "effects", None)) is not None:
        effects.append(effect)


def taken(connection: Any) -> Sequence[Effect]:
    """Return the effects that wait, and forget them."""
    effects: Sequence[Effect] = getattr(connection, "effects", ())
    if effects:
        connection.effects = []
    return effects
