"""The histories of workflows that this process has written, for the workers that claim them here.

A worker reads the history after each claim. If this process knows all events up to the claim, it answers without the
database. Events are numbered without gaps under the row lock of their workflow, so that the number of the last event at
the claim shows whether an event of another process is missing here.

A worker gets the history as it was at its claim, like a worker that reads at once. A later event makes the server
dispatch the workflow again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.limits import KIB, MIB
from server.domain.submission import WorkflowStep
from server.domain.workflow import ClaimedWorkflow, NewWorkflow
from server.domain.workflow_event import Event, numbered

MOST_BYTES = 16 * MIB
"""The size of all histories that a process keeps; those that were not used for the longest time are dropped."""

MOST_BYTES_OF_ONE = 64 * KIB
"""A larger history is not kept: to read it is a small part of what it costs."""

_Key = tuple[UUID, UUID]


@dataclass(slots=True)
class _History:
    events: list[Event]
    size: int
    claim: tuple[UUID, str] | None = field(default=None)
    """The id and the holder of a claim at the last event, until its holder has read the history."""

    @property
    def last_sequence(self) -> int:
        return self.events[-1].sequence


class RecentHistories:
    """Histories in memory. All methods are to be called after the commit of what they are told."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._histories: OrderedDict[_Key, _History] = OrderedDict()
        self._size = 0

    def started(self, workflows: Sequence[NewWorkflow]) -> None:
        """Keep the histories of new workflows."""
        for workflow in workflows:
            self._keep((workflow.tenant_id, workflow.id), list(numbered(0, [workflow.started])))

    def written(self, steps: Sequence[WorkflowStep]) -> None:
        """Append the events of steps; drop the histories of workflows that have ended, and those with a gap."""
        for step in steps:
            key = (step.state.tenant_id, step.state.id)
            history = self._histories.get(key)
            if history is None or (not step.events and not step.state.status.is_terminal):
                continue
            self._drop(key)
            if not step.state.status.is_terminal and step.events[0].sequence == history.last_sequence + 1:
                self._keep(key, [*history.events, *step.events])

    def read(self, key: _Key, events: Sequence[Event]) -> None:
        """Keep a history that was read from the database, unless a longer one is known."""
        history = self._histories.get(key)
        if events and (history is None or history.last_sequence < events[-1].sequence):
            self._drop(key)
            self._keep(key, list(events))

    def claimed(self, workflow: ClaimedWorkflow, held_by: str | None) -> None:
        """Note the holder of a claim, who may read the history at the claim."""
        key = (workflow.tenant_id, workflow.id)
        history = self._histories.get(key)
        if history is None:
            return
        if history.last_sequence != workflow.last_sequence:
            self._drop(key)
        elif held_by is not None:
            history.claim = (workflow.claim_id, held_by)

    def take(self, key: _Key, reader: str | None) -> tuple[list[Event], str] | None:
        """Return the history for the holder of the last claim, and the id of the claim; None if it is not known.

        Each claim is served once: a holder that reads again wants the events since.
        """
        history = self._histories.get(key)
        if history is None or history.claim is None or history.claim[1] != reader:
            return None
        (claim_id, _), history.claim = history.claim, None
        self._histories.move_to_end(key)
        return history.events, str(claim_id)

    def clear(self) -> None:
        """Drop all histories: the database may be another one, without the last commits."""
        self._histories.clear()
        self._size = 0

    def _keep(self, key: _Key, events: list[Event]) -> None:
        size = sum(event.size for event in events)
        if size > MOST_BYTES_OF_ONE:
            return
        self._histories[key] = _History(events, size)
        self._size += size
        while self._size > self._most_bytes:
            self._drop(next(iter(self._histories)))

    def _drop(self, key: _Key) -> None:
        history = self._histories.pop(key, None)
        if history is not None:
            self._size -= history.size
