"""Applies submissions: one transaction per batch; each submission is decided under the row lock of its workflow."""

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
from server.domain.submission import Again, Objection, Sender, Submission, WorkflowStep, objection, released
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.dispatch.doubtful_claims import DoubtfulClaims, WorkflowClaim
from server.engine.dispatch.wakeups import Waker
from server.engine.schedules.next_due import Expected
from server.engine.submission.commands import decide
from server.engine.submission.endings import WITHOUT_COMMAND
from server.engine.submission.families import look_up
from server.engine.submission.family import AfterCommit, EffectKind, Known
from server.engine.submission.senders import Senders
from server.engine.submission.step_writer import StepWriter
from server.engine.tasks.claims import TaskClaims
from server.engine.throttle import Throttle
from server.engine.workflows.cancellation import Cancellation
from server.engine.workflows.claims import unknown_workflow
from server.engine.workflows.deliveries import Deliveries
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

ATTEMPTS = 4
"""The number of attempts at a batch that collides with another one; the next attempt sees the other's rows."""

LOG_EVERY_S = 10.0
"""At most one line about ignored submissions is logged in this time, in seconds."""

COMMANDS_AT_ONCE = 250
"""The number of commands that are decided before the event loop serves other calls: one takes about 20 microseconds."""

COMMAND_BYTES = 8 * KIB
"""The least weight of a command in bytes, so that a batch has about 2,000 commands: writing them takes time, too."""

_log = logging.getLogger(__name__)


class Submissions:
    """The call that applies submissions. Concurrent submissions are written as one batch.

    A workflow whose history would exceed ``max_history`` bytes fails; None sets no limit.
    """

    def __init__(
        self,
        storage: Repositories,
        cancellation: Cancellation,
        deliveries: Deliveries,
        *,
        wake: Waker,
        tasks: TaskClaims,
        expected: Expected,
        senders: Senders,
        max_history: int | None,
    ) -> None:
        self._max_history = max_history
        self._senders = senders
        self._lines: Throttle[str] = Throttle(LOG_EVERY_S)
        self._ignored = 0
        self._storage = storage
        self._writer = StepWriter(storage)
        self._cancellation = cancellation
        self._deliveries = deliveries
        self._tasks = tasks
        self._after_commit = AfterCommit(wake, expected)
        self._doubtful = DoubtfulClaims(self._end_claims)
        self._batcher: Batcher[Submission, None] = Batcher(self._submit_all, weigh=_weight, name="submissions")

    async def submit(self, submission: Submission) -> None:
        """Apply a submission; one with an ``objection`` is ignored. Committed when this returns.

        Raises:
            NotFound: the tenant has no such workflow.
            WrongState: a command names a task of another workflow or another kind; nothing was written.
        """
        await self._batcher.submit(submission)

    async def close(self) -> None:
        """Wait until all accepted submissions are committed."""
        await self._batcher.close()
        await self._doubtful.close()

    async def _end_claims(self, claims: Sequence[WorkflowClaim]) -> None:
        """Release the claims that are still present. A CANCELLING workflow ends with its claim."""
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, [key for key, _ in claims])
            held = [(key, states[key]) for key, claim in claims if key in states and states[key].claim_id == claim]
            steps = [released(state) for _, state in held if state.status is WorkflowStatus.RUNNING]
            await self._writer.write(connection, steps, dispatch)
        if cancelling := [key for key, state in held if state.status is WorkflowStatus.CANCELLING]:
            await self._finish(cancelling)

    async def _submit_all(self, submissions: Sequence[Submission]) -> Sequence[FlovynError | None]:
        """Apply a batch. A collision is retried here: if the worker got an error, it would fail the workflow."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._attempt(submissions)
            except (AlreadyExists, Collision):  # the transaction was rolled back
                continue
        return await self._attempt(submissions)

    async def _attempt(self, submissions: Sequence[Submission]) -> Sequence[FlovynError | None]:
        batch = _Batch(self._max_history, self._senders)
        keys = list({_key(each) for each in submissions})
        may_end = self._max_history is not None or any(each.outcome in WITHOUT_COMMAND for each in submissions)
        with self._tasks.dispatching() as tasks:
            async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
                # the locks are the first statement; it travels with the look-ups, which are valid under the locks
                states = await self._storage.workflows.locking(connection, keys, with_parents=may_end)
                batch.known = await look_up(connection, self._storage, submissions)
                batch.states = await states()
                results = [await batch.decide_in_turn(each) for each in submissions]
                await self._writer.write(connection, batch.steps, dispatch, tasks)
        self._expect(batch.steps)
        for submission, state in batch.applied:
            self._senders.submitted(_key(submission), submission.sent_by, state.held_by, state.claim_id)
            if submission.span is not None:
                submission.span.link(state.trace, state.id)
        for submission, why in batch.ignored:
            self._log_ignored(submission, why.reason)
        for claim in batch.doubtful:
            self._doubtful.doubt(claim)
        if batch.cancelling:
            await self._finish(list(batch.cancelling))
        return results

    def _log_ignored(self, submission: Submission, reason: str) -> None:
        """Log an ignored submission, at most one per ``LOG_EVERY_S``, with the number of the others."""
        self._ignored += 1
        if self._lines.is_due("ignored"):
            _log.info(
                "a submission to workflow execution %s changes nothing: %s (%d were ignored since the last such line)",
                submission.workflow_id,
                reason,
                self._ignored,
            )
            self._ignored = 0

    async def _finish(self, workflows: Sequence[WorkflowKey]) -> None:
        """End CANCELLING workflows; if this fails, the reaper ends them."""
        try:
            await self._cancellation.finish(workflows)
        except FlovynError as error:
            _log.warning(
                "%d workflow executions could not be cancelled when their workers submitted: %s", len(workflows), error
            )

    def _expect(self, steps: Sequence[WorkflowStep]) -> None:
        for effects in (step.effects for step in steps if step.effects):
            for kind, items in effects.items():
                if isinstance(kind, EffectKind) and kind.committed is not None:
                    kind.committed(items, self._after_commit)


class _Batch:
    """The submissions of one transaction: the states after the last decided one, and the steps so far."""

    def __init__(self, max_history: int | None, senders: Senders) -> None:
        self._max_history = max_history
        self._senders = senders
        self.states: dict[WorkflowKey, WorkflowState] = {}
        self.known = Known()
        self._since_pause = 0
        self.steps: list[WorkflowStep] = []
        self.cancelling: set[WorkflowKey] = set()
        self._senders_so_far: set[tuple[WorkflowKey, str | None]] = set()
        self.applied: list[tuple[Submission, WorkflowState]] = []
        """The applied submissions, and the states of their workflows before."""
        self.ignored: list[tuple[Submission, Objection]] = []
        """The ignored submissions, and the objections."""
        self.doubtful: list[WorkflowClaim] = []
        """The claims that end unless their holders submit soon."""

    async def decide_in_turn(self, submission: Submission) -> FlovynError | None:
        """Decide one submission; let the event loop serve other calls after every ``COMMANDS_AT_ONCE`` commands.

        The pause comes after a large submission. Its decision and the statement that writes it take up to 40 ms each,
        and must not hold the event loop one after the other.
        """
        problem = self.decide(submission)
        self._since_pause += len(submission.commands)
        if self._since_pause > COMMANDS_AT_ONCE:
            self._since_pause = 0
            await asyncio.sleep(0)
        return problem

    def decide(self, submission: Submission) -> FlovynError | None:
        """Decide one submission, and its delivery to the parent; return an error if it is refused."""
        key = _key(submission)
        if key not in self.states:
            return unknown_workflow(submission.workflow_id)
        state, sender = self.states[key], self._sender(submission)
        why_not = objection(state, submission, sender)
        if why_not is not None:
            self._ignore(key, submission, why_not)
            return None
        has_read = sender is None or sender.knows(state)
        try:
            step = decide(state, submission, self.known, self._max_history, has_read=has_read)
        except WrongState as error:
            return error
        self.applied.append((submission, state))
        self._senders_so_far.add((key, submission.sent_by))
        if step is not None:
            self._move(key, step)
        elif state.status is WorkflowStatus.CANCELLING:
            self.cancelling.add(key)
        return None

    def _ignore(self, key: WorkflowKey, submission: Submission, why: Objection) -> None:
        """Ignore a submission; dispatch its workflow again if the holder may have sent it and will not submit again."""
        state = self.states[key]
        self.ignored.append((submission, why))
        if why.again is Again.SOON and state.claim_id is not None:
            self.doubtful.append((key, state.claim_id))
        elif why.again is Again.NOW and state.status is WorkflowStatus.CANCELLING:
            self.cancelling.add(key)
        elif why.again is Again.NOW:
            self._move(key, released(state))

    def _sender(self, submission: Submission) -> Sender | None:
        """Return the sender; after a submission in this batch, it has not read the new events yet."""
        sender = self._senders.sender(_key(submission), submission.sent_by)
        if sender is not None and (_key(submission), submission.sent_by) in self._senders_so_far:
            return replace(sender, has_submitted=True)
        return sender

    def _move(self, key: WorkflowKey, step: WorkflowStep) -> None:
        self.states[key] = step.state
        self.steps.append(step)
        delivery = outcome(step)
        parent_steps = receive_all(self.states, [delivery]) if delivery else []
        self.steps += [each for each in parent_steps if each is not None]


def _weight(submission: Submission) -> int:
    return max(submission.weight, COMMAND_BYTES * len(submission.commands))


def _key(submission: Submission) -> WorkflowKey:
    return (submission.tenant_id, submission.workflow_id)
