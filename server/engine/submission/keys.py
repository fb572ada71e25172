"""The idempotency keys of promises and tasks that commands create."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.connection import DatabaseConnection
from server.domain.idempotency import KeyClaim
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.idempotency import claim
from server.engine.submission.family import EffectKind, Family, workflow_keys
from server.storage.repositories import Repositories

_log = logging.getLogger(__name__)


async def _claim(connection: DatabaseConnection, storage: Repositories, claims: Sequence[KeyClaim]) -> None:
    """Claim keys. A key that leads to another entity is logged; an error would fail the workflow."""
    holders = await claim(connection, storage.keys, claims)
    for each, holder in zip(claims, holders, strict=True):
        if holder.entity_id != each.entity_id:
            _log.warning(
                "the %s %s gets no idempotency key: the key belongs to the %s %s",
                each.entity.lower(),
                each.entity_id,
                holder.entity.lower(),
                holder.entity_id,
            )


async def _forget(connection: DatabaseConnection, storage: Repositories, ended: Sequence[WorkflowState]) -> None:
    """Free the keys of workflows that failed or were cancelled: a repeated start may start them anew."""
    unsuccessful = [state for state in ended if state.status is not WorkflowStatus.COMPLETED]
    if unsuccessful:
        await storage.keys.forget_workflows(connection, workflow_keys(unsuccessful))


CLAIMS: EffectKind[KeyClaim] = EffectKind(_claim)

KEYS: Family[str, None] = Family(effects=(CLAIMS,), end=_forget)
