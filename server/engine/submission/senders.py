"""A process's knowledge of those who send submissions: the histories that they have read, and what connections tell.

Neither a submission nor a report names its worker. The connection does, unless a proxy puts the calls of many workers
on a few connections, or a worker uses several. Then connections say nothing about the workers of that principal, and
none of them is refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from server.domain.submission import Sender
from server.storage.workflows import WorkflowKey

MAX_READS = 20_000
MAX_PRINCIPALS = 10_000

UNTOLD_S = 3600.0
"""For how long connections say nothing about a principal after they were seen to."""

Principal = tuple[UUID, str]
"""Tenant and principal."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The last time that a holder read a history: under which claim, and whether a submission followed."""

    claim: str | None
    has_submitted: bool = False


class Senders:
    """Bounded memory of one process; every method takes constant time."""

    def __init__(self) -> None:
        self._reads: OrderedDict[tuple[WorkflowKey, str], _Read] = OrderedDict()
        self._suspects: OrderedDict[str, Principal] = OrderedDict()
        self._untold: OrderedDict[Principal, float] = OrderedDict()

    def read(self, workflow: WorkflowKey, held_by: str | None, claim: str | None) -> None:
        """Note that a holder reads the history of a workflow while ``claim`` is the present one."""
        if held_by is None:
            return
        self.called(held_by)
        if claim is not None:
            self._remember(workflow, held_by, _Read(claim))

    def failed_to_read(self, workflow: WorkflowKey, held_by: str | None) -> None:
        """Note that a holder does not get the history of a workflow: some workers go on without it, from its start."""
        if held_by is not None and (workflow, held_by) not in self._reads:
            self._remember(workflow, held_by, _Read(None))

    def sender(self, workflow: WorkflowKey, held_by: str | None) -> Sender | None:
        """Return the sender of a submission; None when nothing can be said about it."""
        if held_by is None:
            return None
        self.called(held_by)
        if not self.tells((workflow[0], held_by)):
            return None
        read = self._reads.get((workflow, held_by))
        if read is None:
            return Sender(held_by)
        return Sender(held_by, has_read=True, read_under=read.claim, has_submitted=read.has_submitted)

    def submitted(self, workflow: WorkflowKey, sent_by: str | None, holder: str | None, claim: str | None) -> None:
        """Note that a submission was applied to a workflow that ``holder`` held under ``claim``."""
        if sent_by is None:
            return
        read = self._reads.get((workflow, sent_by))
        if (
            read is not None and read.claim == claim
        ):  # by now, the sender may have read the workflow under its next claim
            self._remember(workflow, sent_by, _Read(claim, has_submitted=True))
        if holder is not None and holder != sent_by:
            self.suspect((workflow[0], sent_by), holder)

    def suspect(self, sender: tuple[UUID, str], holder: str) -> None:
        """Note that a caller does the work of another connection; should that one live, connections tell nothing."""
        self._suspects[holder] = _principal(*sender)
        if len(self._suspects) > MAX_PRINCIPALS:
            self._suspects.popitem(last=False)

    def called(self, held_by: str) -> None:
        """Note that a holder makes a call: its connection lives."""
        principal = self._suspects.pop(held_by, None)
        if principal is not None:
            self._untold[principal] = asyncio.get_running_loop().time()
            self._untold.move_to_end(principal)
            if len(self._untold) > MAX_PRINCIPALS:
                self._untold.popitem(last=False)

    def tells(self, caller: tuple[UUID, str]) -> bool:
        """Return whether the connection of a caller, which is given with its tenant, says which worker calls."""
        since = self._untold.get(_principal(*caller))
        return since is None or asyncio.get_running_loop().time() - since > UNTOLD_S

    def _remember(self, workflow: WorkflowKey, held_by: str, read: _Read) -> None:
        self._reads[workflow, held_by] = read
        self._reads.move_to_end((workflow, held_by))
        if len(self._reads) > MAX_READS:
            self._reads.popitem(last=False)


def _principal(tenant_id: UUID, held_by: str) -> Principal:
    return (tenant_id, held_by.partition(" ")[2])
