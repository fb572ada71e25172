"""Batches of submissions have a bounded number of commands, and deciding them leaves turns to other work."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from core.batching import MAX_BATCH_BYTES
from server.config.limits import Limits
from server.domain.submission import Submission, SubmissionOutcome
from server.engine.submission.operations import ClearState
from server.engine.submission.submissions import COMMANDS_AT_ONCE, _Batch, _weight

COMMANDS = Limits().commands


def _submission(commands: int) -> Submission:
    return Submission(
        UUID(int=1), UUID(int=2), (ClearState("k"),) * commands, SubmissionOutcome.RUNNING, weight=commands
    )


def test_a_batch_is_full_with_as_many_commands_as_one_submission_may_have() -> None:
    """However few bytes they take."""
    assert 2 * _weight(_submission(COMMANDS)) > MAX_BATCH_BYTES
    assert 256 * _weight(_submission(1)) < MAX_BATCH_BYTES


async def test_other_work_has_its_turn_while_many_commands_are_decided() -> None:
    senders: Any = None
    batch, turns = _Batch(None, senders), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(8):
        await batch.decide_in_turn(_submission(COMMANDS_AT_ONCE // 2 + 1))
    task.cancel()
    assert turns == 4
