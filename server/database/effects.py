"""Effects on metrics that wait for the commit of a connection's transaction: what is rolled back does not count."""

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
    counted = partial(effect, meter.work)
    unit = current()
    if unit is not None:
        unit.after_commit(counted)
    else:
        connection.effects.append(counted)


def taken(connection: Any) -> Sequence[Effect]:
    """Return the effects that wait, and forget them."""
    effects: Sequence[Effect] = getattr(connection, "effects", ())
    if effects:
        connection.effects = []
    return effects
