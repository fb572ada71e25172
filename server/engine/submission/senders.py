"""The senders of submissions: which histories they have read, and whether connections identify workers.

Neither a submission nor a report names its worker. A connection identifies its worker, unless a proxy mixes the calls
of many workers, or a worker uses several connections. Then the connections of that principal identify no worker, and no
call of it is refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from server.domain.submission import Sender
from server.storage.workflows import WorkflowKey

MAX_READS = 20_000
"""The number of reads that are remembered; beyond it, the oldest are forgotten."""

MAX_PRINCIPALS = 10_000
"""The same for principals."""

UNIDENTIFIED_S = 3600.0
"""How long connections count as identifying no worker of a principal after a contradiction, in seconds."""

Principal = tuple[UUID, str]
"""Tenant and principal."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A holder's last read of a history: the claim at that time, and whether a submission followed."""

    claim: str | None
    has_submitted: bool = False


class Senders:
    """The senders that one process remembers, with at most ``max_reads`` reads. Every method takes constant time."""

    def __init__(self, max_reads: int = MAX_READS) -> None:
        self._max_reads = max_reads
        self._reads: OrderedDict[tuple[WorkflowKey, str], _Read] = OrderedDict()
        self._suspects: OrderedDict[str, Principal] = OrderedDict()
        self._unidentified: OrderedDict[Principal, float] = OrderedDict()

    def read(self, workflow: WorkflowKey, held_by: str | None, claim: str | None) -> None:
        """Record that a holder reads the history of a workflow under ``claim``."""
        if held_by is None:
            return
        self.called(held_by)
        if claim is not None:
            self._remember(workflow, held_by, _Read(claim))

    def failed_to_read(self, workflow: WorkflowKey, held_by: str | None) -> None:
        """Record that a holder's read of a history failed: some workers go on from an empty history."""
        if held_by is not None and (workflow, held_by) not in self._reads:
            self._remember(workflow, held_by, _Read(None))

    def sender(self, workflow: WorkflowKey, held_by: str | None) -> Sender | None:
        """Return the sender of a submission; None if its connection does not identify its worker."""
        if held_by is None:
            return None
        self.called(held_by)
        if not self.identifies((workflow[0], held_by)):
            return None
        read = self._reads.get((workflow, held_by))
        if read is None:
            return Sender(held_by)
        return Sender(held_by, has_read=True, read_under=read.claim, has_submitted=read.has_submitted)

    def submitted(self, workflow: WorkflowKey, sent_by: str | None, holder: str | None, claim: str | None) -> None:
        """Record that a submission was applied to a workflow that ``holder`` held under ``claim``."""
        if sent_by is None:
            return
        read = self._reads.get((workflow, sent_by))
        # otherwise the sender has read the history under its next claim in the meantime
        if read is not None and read.claim == claim:
            self._remember(workflow, sent_by, _Read(claim, has_submitted=True))
        if holder is not None and holder != sent_by:
            self.suspect((workflow[0], sent_by), holder)

    def suspect(self, sender: tuple[UUID, str], holder: str) -> None:
        """Record that a caller does the work of ``holder``: if that one calls again, connections identify no worker."""
        self._suspects[holder] = _principal(*sender)
        if len(self._suspects) > MAX_PRINCIPALS:
            self._suspects.popitem(last=False)

    def called(self, held_by: str) -> None:
        """Record a call of a holder: its connection works."""
        principal = self._suspects.pop(held_by, None)
        if principal is not None:
            self._unidentified[principal] = asyncio.get_running_loop().time()
            self._unidentified.move_to_end(principal)
            if len(self._unidentified) > MAX_PRINCIPALS:
                self._unidentified.popitem(last=False)

    def identifies(self, caller: tuple[UUID, str]) -> bool:
        """Return whether the connection of a caller, a tenant and a holder, identifies its worker."""
        since = self._unidentified.get(_principal(*caller))
        return since is None or asyncio.get_running_loop().time() - since > UNIDENTIFIED_S

    def _remember(self, workflow: WorkflowKey, held_by: str, read: _Read) -> None:
        self._reads[workflow, held_by] = read
        self._reads.move_to_end((workflow, held_by))
        if len(self._reads) > self._max_reads:
            self._reads.popitem(last=False)


def _principal(tenant_id: UUID, held_by: str) -> Principal:
    return (tenant_id, held_by.partition(" ")[2])
