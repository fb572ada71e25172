"""Takes what workers submit: many submissions in one transaction, each decided under its workflow's lock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from core.batching import Batcher
from core.errors import AlreadyExists, Collision, FlovynError, WrongState
from core.limits import KIB
from server.domain.child import outcome
from server.domain.delivery import receive_all
from server.domain.effects import Effects
from server.domain.submission import Again, Objection, Sender, Submission, WorkflowStep, objection, released
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.dispatch.doubtful_claims import DoubtfulClaims, WorkflowClaim
from server.engine.dispatch.wakeups import Waker
from server.engine.schedules.next_due import Expected
from server.engine.submission.commands import decide
from server.engine.submission.drafts import Known
from server.engine.submission.endings import WITHOUT_COMMAND
from server.engine.submission.lookup import look_up
from server.engine.submission.senders import Senders
from server.engine.submission.step_writer import StepWriter
from server.engine.tasks.claims import TaskClaims
from server.engine.throttle import Throttle
from server.engine.workflows.cancellation import Cancellation
from server.engine.workflows.claims import unknown_workflow
from server.engine.workflows.deliveries import woken
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

ATTEMPTS = 4
"""How often a batch is tried that collides with others, which see each other the next time."""

LOG_EVERY_S = 10.0
"""One line about ignored submissions is logged in this time, in seconds."""

COMMANDS_AT_ONCE = 250
"""Commands that are decided before other work has its turn: deciding one takes about 20 microseconds."""

COMMAND_BYTES = 8 * KIB
"""Bytes that a command weighs at least, so that a batch has about 2,000 of them: writing them takes time, too."""

_log = logging.getLogger(__name__)


class Submissions:
    """Group commit of submissions."""

    def __init__(
        self,
        storage: Repositories,
        cancellation: Cancellation,
        *,
        wake: Waker,
        tasks: TaskClaims,
        expected: Expected,
        senders: Senders,
        max_history: int | None,
    ) -> None:
        """Set ``max_history``, in bytes: a workflow whose history would exceed it fails; None sets no limit."""
        self._max_history = max_history
        self._senders = senders
        self._lines: Throttle[str] = Throttle(LOG_EVERY_S)
        self._ignored = 0
        self._storage = storage
        self._writer = StepWriter(storage)
        self._cancellation = cancellation
        self._wake = wake
        self._tasks = tasks
        self._expected = expected
        self._doubtful = DoubtfulClaims(self._end_claims)
        self._batcher: Batcher[Submission, None] = Batcher(self._submit_all, weigh=_weight)

    async def submit(self, submission: Submission) -> None:
        """Take a worker's report on an activation; one that ``objection`` speaks against is ignored.

        Raises:
            NotFound: the tenant has no such run.
            WrongState: a command names a task of another workflow or kind; nothing was written.
        """
        await self._batcher.submit(submission)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._batcher.close()
        await self._doubtful.close()

    async def _end_claims(self, claims: Sequence[WorkflowClaim]) -> None:
        """End claims that are still present, as ``released`` does; what is being cancelled ends with its claim."""
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, [key for key, _ in claims])
            held = [(key, states[key]) for key, claim in claims if key in states and states[key].claim_id == claim]
            steps = [released(state) for _, state in held if state.status is WorkflowStatus.RUNNING]
            await self._writer.write(connection, steps)
        self._after(steps)
        if cancelling := [key for key, state in held if state.status is WorkflowStatus.CANCELLING]:
            await self._finish(cancelling)

    async def _submit_all(self, submissions: Sequence[Submission]) -> Sequence[FlovynError | None]:
        """Write a batch; a collision is tried again here, because workers answer an error by failing the workflow."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._attempt(submissions)
            except (AlreadyExists, Collision):  # rolled back, both of them
                continue
        return await self._attempt(submissions)

    async def _attempt(self, submissions: Sequence[Submission]) -> Sequence[FlovynError | None]:
        batch = _Batch(self._max_history, self._senders)
        keys = list({_key(each) for each in submissions})
        may_end = self._max_history is not None or any(each.outcome in WITHOUT_COMMAND for each in submissions)
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.locking(connection, keys, with_parents=may_end)
            batch.known = await look_up(connection, self._storage, submissions)
            batch.states = await states()
            results = [await batch.taken(each) for each in submissions]
            await self._writer.write(connection, batch.steps)
        self._after(batch.steps)
        for submission, state in batch.applied:
            self._senders.submitted(_key(submission), submission.sent_by, state.held_by, state.claim_id)
        for submission, found in batch.ignored:
            self._say(submission, found.reason)
        for claim in batch.doubtful:
            self._doubtful.doubt(claim)
        if batch.cancelling:
            await self._finish(list(batch.cancelling))
        return results

    def _say(self, submission: Submission, reason: str) -> None:
        """Log one ignored submission in a while, and the number of the others."""
        self._ignored += 1
        if self._lines.is_due("ignored"):
            _log.info(
                "a submission to workflow execution %s changes nothing: %s (%d of this kind since the last such line)",
                submission.workflow_id,
                reason,
                self._ignored,
            )
            self._ignored = 0

    async def _finish(self, workflows: Sequence[WorkflowKey]) -> None:
        """End workflows that were being cancelled; the reaper does it where this fails."""
        try:
            await self._cancellation.finish(workflows)
        except FlovynError as error:
            _log.warning("%d runs could not be cancelled when their workers reported: %s", len(workflows), error)

    def _after(self, steps: Sequence[WorkflowStep]) -> None:
        for state in woken(steps):
            self._wake((state.tenant_id, state.queue), state.kind)
        for effects in (step.effects for step in steps if step.effects):
            for child in effects.children:
                self._wake((child.tenant_id, child.queue), child.kind)
            self._tasks.wake(effects.tasks)
            self._expect(effects)

    def _expect(self, effects: Effects) -> None:
        for timer in effects.timers:
            self._expected.timers.expect(timer.duration_ms / 1000)
        for promise in effects.promises:
            if promise.timeout_ms is not None:
                self._expected.promises.expect(promise.timeout_ms / 1000)
        if effects.cancelled_children:
            self._expected.cancellations.expect(0.0)


class _Batch:
    """Submissions on their way: states that move from one to the next, and the steps so far."""

    def __init__(self, max_history: int | None, senders: Senders) -> None:
        self._max_history = max_history
        self._senders = senders
        self.states: dict[WorkflowKey, WorkflowState] = {}
        self.known = Known()
        self._since_pause = 0
        self.steps: list[WorkflowStep] = []
        self.cancelling: set[WorkflowKey] = set()
        self._heard: set[tuple[WorkflowKey, str | None]] = set()
        self.applied: list[tuple[Submission, WorkflowState]] = []
        """The submissions that were taken, and their workflows as they were."""
        self.ignored: list[tuple[Submission, Objection]] = []
        """The submissions that change nothing, and the reasons."""
        self.doubtful: list[WorkflowClaim] = []

    async def taken(self, submission: Submission) -> FlovynError | None:
        """Decide one submission; let other work have its turn after every ``COMMANDS_AT_ONCE`` commands of a batch."""
        self._since_pause += len(submission.commands)
        if self._since_pause > COMMANDS_AT_ONCE:
            self._since_pause = 0
            await asyncio.sleep(0)
        return self.take(submission)

    def take(self, submission: Submission) -> FlovynError | None:
        """Decide one submission, and what its end means to the parent; return what is wrong with it."""
        key = _key(submission)
        if key not in self.states:
            return unknown_workflow(submission.workflow_id)
        state, sender = self.states[key], self._sender(submission)
        found = objection(state, submission, sender)
        if found is not None:
            self._ignore(key, submission, found)
            return None
        has_read = sender is None or sender.knows(state)
        try:
            step = decide(state, submission, self.known, self._max_history, has_read=has_read)
        except WrongState as error:
            return error
        self.applied.append((submission, state))
        self._heard.add((key, submission.sent_by))
        if step is not None:
            self._move(key, step)
        elif state.status is WorkflowStatus.CANCELLING:
            self.cancelling.add(key)
        return None

    def _ignore(self, key: WorkflowKey, submission: Submission, found: Objection) -> None:
        """Leave a submission out; its sender may be the holder, and would not submit again."""
        state = self.states[key]
        self.ignored.append((submission, found))
        if found.again is Again.SOON and state.claim_id is not None:
            self.doubtful.append((key, state.claim_id))
        elif found.again is Again.NOW and state.status is WorkflowStatus.CANCELLING:
            self.cancelling.add(key)
        elif found.again is Again.NOW:
            self._move(key, released(state))

    def _sender(self, submission: Submission) -> Sender | None:
        """Return what is known about the sender, which has yet to read what this batch has written for it."""
        sender = self._senders.sender(_key(submission), submission.sent_by)
        if sender is not None and (_key(submission), submission.sent_by) in self._heard:
            return replace(sender, has_submitted=True)
        return sender

    def _move(self, key: WorkflowKey, step: WorkflowStep) -> None:
        self.states[key] = step.state
        self.steps.append(step)
        told = outcome(step)
        heard = receive_all(self.states, [told]) if told else []
        self.steps += [each for each in heard if each is not None]


def _weight(submission: Submission) -> int:
    return max(submission.weight, COMMAND_BYTES * len(submission.commands))


def _key(submission: Submission) -> WorkflowKey:
    return (submission.tenant_id, submission.workflow_id)
