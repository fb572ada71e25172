"""All families of commands, and the functions over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.connection import DatabaseConnection
from server.domain.submission import Submission
from server.engine.submission.children import CHILDREN
from server.engine.submission.family import Family, Known, Located
from server.engine.submission.keys import KEYS
from server.engine.submission.operations import OPERATIONS
from server.engine.submission.promises import PROMISES
from server.engine.submission.tasks import TASKS
from server.engine.submission.timers import TIMERS
from server.storage.repositories import Repositories

FAMILIES: tuple[Family[Any, Any], ...] = (OPERATIONS, TIMERS, PROMISES, KEYS, TASKS, CHILDREN)
"""The order is that of all statements: look-ups, writes and clear-ups. Keys are claimed before tasks are inserted."""

HANDLERS = {command: handler for family in FAMILIES for command, handler in family.handlers.items()}

EFFECT_KINDS = tuple(kind for family in FAMILIES for kind in family.effects)

_LOOKED_UP = {command: family for family in FAMILIES for command in family.looked_up}


async def look_up(connection: DatabaseConnection, storage: Repositories, submissions: Sequence[Submission]) -> Known:
    """Return the existing rows that the commands of a batch name: one query per family that is concerned.

    The workflows are locked, so that the result holds until the end of the transaction.
    """
    named: dict[Family[Any, Any], list[Located]] = {}
    for each in submissions:
        for command in each.commands:
            family = _LOOKED_UP.get(type(command))
            if family is not None:
                named.setdefault(family, []).append((each.tenant_id, each.workflow_id, command))
    known = Known()
    for family in FAMILIES:
        if family in named and family.look_up is not None:
            known.set(family, await family.look_up(connection, storage, named[family]))
    return known
