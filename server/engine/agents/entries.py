"""Entries of conversations: appended in batches, read in pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from core.batching import Batcher
from core.errors import AlreadyExists, FlovynError, InvalidInput, Unavailable, WrongState
from core.limits import MAX_PAYLOAD_BYTES
from server.domain.agent import AgentStatus
from server.domain.agent_records import Checkpoint, Entry, NewEntry
from server.engine.agents.locked import unknown_agent
from server.storage.agent_records import FIRST_BYTES, AgentRecordRepository, Appended, FirstPage
from server.storage.agents import AgentKey, AgentRepository

RETRY_PAUSES_S = (0.1, 0.5, 1.0, 2.0)
"""Pauses between attempts at a read without which a worker fails its agent, in seconds."""

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class AppendedEntry:
    """The id of an entry, and whether it existed before."""

    id: UUID
    existed: bool


class AgentEntries:
    """The calls about entries, and the reads at the beginning of an activation."""

    def __init__(self, agents: AgentRepository, records: AgentRecordRepository) -> None:
        self._agents = agents
        self._records = records
        self._appends: Batcher[NewEntry, AppendedEntry] = Batcher(
            self._append_all, weigh=lambda entry: entry.size, name="agent_entries"
        )
        # activations begin with these reads: those of many agents are one statement
        self._first_pages: Batcher[AgentKey, FirstPage] = Batcher(
            self._read_first, weigh=lambda _agent: FIRST_BYTES, name="agent_conversations"
        )
        self._checkpoints: Batcher[AgentKey, Checkpoint | None] = Batcher(
            self._read_checkpoints, weigh=lambda _agent: MAX_PAYLOAD_BYTES, name="agent_checkpoints"
        )

    async def append(self, entry: NewEntry) -> AppendedEntry:
        """Append an entry, or find the one of its id, whose content is not compared.

        Raises:
            NotFound: the tenant has no such agent.
            WrongState: the agent has ended or was cancelled.
            InvalidInput: the parent is no entry of the agent.
            AlreadyExists: the id belongs to an entry of another agent.
        """
        return await self._appends.submit(entry)

    async def pages(self, agent: AgentKey, after_id: UUID | None) -> AsyncIterator[list[Entry]]:
        """Yield the entries of an agent after one of them, in pages; the whole conversation is never in memory.

        Raises:
            NotFound: the tenant has no such agent.
            InvalidInput: ``after_id`` is no entry of the agent.
        """
        if after_id is None:
            first = await patiently(lambda: self._first_pages.submit(agent))
            if first.entries:
                yield first.entries
            if not first.has_more:
                return
            after = first.entries[-1].number if first.entries else 0
        else:
            after = await patiently(lambda: self._number(agent, after_id))
        while page := await patiently(lambda after=after: self._records.entries(agent, after)):  # type: ignore[misc]
            yield page
            after = page[-1].number

    async def latest_checkpoint(self, agent: AgentKey) -> Checkpoint | None:
        """Return the newest checkpoint of an agent; None without one.

        Raises:
            NotFound: the tenant has no such agent.
        """
        return await patiently(lambda: self._checkpoints.submit(agent))

    async def close(self) -> None:
        """Wait until all accepted entries are committed, and no read is under way."""
        await self._appends.close()
        await self._first_pages.close()
        await self._checkpoints.close()

    async def _number(self, agent: AgentKey, entry_id: UUID) -> int:
        number = await self._records.entry_number(agent, entry_id)
        if number is not None:
            return number
        if not await self._agents.exists(agent):
            raise unknown_agent(agent[1])
        raise InvalidInput(f"after_entry_id: the agent has no entry {entry_id}")

    async def _read_first(self, agents: Sequence[AgentKey]) -> Sequence[FirstPage | FlovynError]:
        pages = await self._records.first_entries(agents)
        return [page or unknown_agent(agent[1]) for agent, page in zip(agents, pages, strict=True)]

    async def _read_checkpoints(self, agents: Sequence[AgentKey]) -> Sequence[Checkpoint | FlovynError | None]:
        read = await self._records.latest_checkpoints(agents)
        return [
            checkpoint if exists else unknown_agent(agent[1])
            for agent, (exists, checkpoint) in zip(agents, read, strict=True)
        ]

    async def _append_all(self, entries: Sequence[NewEntry]) -> Sequence[AppendedEntry | FlovynError]:
        appended = await self._records.append(entries)
        return [_result(entry, facts) for entry, facts in zip(entries, appended, strict=True)]


def _result(entry: NewEntry, facts: Appended) -> AppendedEntry | FlovynError:
    if facts.status is None:
        return unknown_agent(entry.agent_id)
    if facts.owner_id == entry.agent_id:
        return AppendedEntry(entry.id, existed=not facts.is_new)
    if facts.owner_id is not None:
        return AlreadyExists(f"entry {entry.id} belongs to another agent; choose another idempotency key")
    if entry.parent_id is not None and facts.parent_owner_id != entry.agent_id:
        return InvalidInput(f"parent_id: the agent has no entry {entry.parent_id}")
    if facts.status in {AgentStatus.CANCELLING, AgentStatus.CANCELLED}:
        return WrongState(f"agent was cancelled: agent {entry.agent_id} takes no entries; stop working on it")
    return WrongState(f"agent {entry.agent_id} is {facts.status} and takes no entries")


async def patiently(read: Callable[[], Awaitable[Read]]) -> Read:
    """Return the result of a read, tried again while the database is not there.

    Raises:
        Unavailable: it did not come back in time.
    """
    for pause in RETRY_PAUSES_S:
        try:
            return await read()
        except Unavailable:
            await asyncio.sleep(pause)
    return await read()
