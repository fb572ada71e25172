"""Takes what workers submit: many submissions in one transaction, each decided under its run's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.batching import Batcher
from core.domain.workflow import RunState, Step, Submission
from core.errors import FlovynError
from server.engine.commands import decide
from server.engine.deliveries import woken
from server.engine.drafts import Known
from server.engine.lookup import look_up
from server.engine.next_due import NextDue
from server.engine.step_writer import StepWriter
from server.engine.wakeups import QueueKey
from server.engine.workflows import unknown_run
from server.storage.repositories import Repositories
from server.storage.workflows import RunKey


class Submissions:
    """Group commit of submissions."""

    def __init__(
        self,
        storage: Repositories,
        wake: Callable[[QueueKey, str], None],
        *,
        timers_due: NextDue,
        promises_due: NextDue,
    ) -> None:
        """Take the storage, what wakes a poller, and the alarms of timers and promises."""
        self._storage = storage
        self._writer = StepWriter(storage)
        self._wake = wake
        self._timers_due = timers_due
        self._promises_due = promises_due
        self._batcher: Batcher[Submission, None] = Batcher(self._submit_all, weigh=lambda submission: submission.weight)

    async def submit(self, submission: Submission) -> None:
        """Take a worker's report on an activation; a report on an ended run is ignored.

        Raises:
            NotFound: the tenant has no such run.
        """
        await self._batcher.submit(submission)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._batcher.close()

    async def _submit_all(self, submissions: Sequence[Submission]) -> Sequence[FlovynError | None]:
        async with self._storage.database.transaction() as connection:
            states = await self._storage.runs.lock(
                connection, list({(each.tenant_id, each.run_id) for each in submissions})
            )
            known = await look_up(connection, self._storage, submissions)
            results, steps = _decide_all(states, submissions, known)
            await self._writer.write(connection, steps)
        self._after(steps)
        return results

    def _after(self, steps: Sequence[Step]) -> None:
        for state in woken(steps):
            self._wake((state.tenant_id, state.queue), state.kind)
        effects = [step.effects for step in steps if step.effects]
        for timer in (each for some in effects for each in some.timers):
            self._timers_due.expect(timer.duration_ms / 1000)
        for promise in (each for some in effects for each in some.promises):
            if promise.timeout_ms is not None:
                self._promises_due.expect(promise.timeout_ms / 1000)


def _decide_all(
    states: dict[RunKey, RunState], submissions: Sequence[Submission], known: Known
) -> tuple[list[FlovynError | None], list[Step]]:
    results: list[FlovynError | None] = []
    steps: list[Step] = []
    for each in submissions:
        key = _key(each)
        if key not in states:
            results.append(unknown_run(each.run_id))
            continue
        step = decide(states[key], each, known)
        if step is not None:
            steps.append(step)
            states[key] = step.state
        results.append(None)
    return results, steps


def _key(submission: Submission) -> RunKey:
    return (submission.tenant_id, submission.run_id)
