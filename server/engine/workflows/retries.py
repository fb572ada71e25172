"""Retries failed runs by hand: the history stays, its end is taken back, and the failed tasks are done again."""

from __future__ import annotations

from core.errors import WrongState
from server.domain.audit_event import retry_requested
from server.domain.workflow import RunStatus
from server.engine.dispatch.wakeups import Waker
from server.engine.workflows.claims import unknown_run
from server.storage.repositories import Repositories
from server.storage.workflows import RunKey


class Retries:
    """The engine's call about retrying by hand. Children are not restarted."""

    def __init__(self, storage: Repositories, wake: Waker, wake_task: Waker) -> None:
        """Take the storage, and what wakes pollers of runs and of tasks."""
        self._storage = storage
        self._wake = wake
        self._wake_task = wake_task

    async def retry(self, run: RunKey, note: str | None, requested_by: str) -> int:
        """Make a failed run pending again; return how often that has been done by now.

        Who asked for it, and what they noted, is kept. A run that goes on since its last retry stays as it is.

        Raises:
            NotFound: the tenant has no such run.
            WrongState: the run has not failed, and was not retried.
        """
        async with self._storage.database.transaction() as connection:
            states = await self._storage.runs.lock(connection, [run])
            if run not in states:
                raise unknown_run(run[1])
            state = states[run]
            if state.status is not RunStatus.FAILED:
                retried = await self._storage.retries.retried(connection, run)
                if retried is not None:
                    return retried
                raise WrongState(f"workflow execution {run[1]} is {state.status}; only a failed one can be retried")
            failed = await self._storage.retries.supersede(connection, run)
            tasks = await self._storage.retries.requeue(connection, run, failed) if failed else []
            count = await self._storage.retries.revive(connection, run)
            asked = retry_requested(*run, count, note, requested_by)
            await self._storage.audit_events.insert(connection, [asked])
        for queue, kind in tasks:
            self._wake_task((run[0], queue), kind)
        self._wake((run[0], state.queue), state.kind)
        return count
