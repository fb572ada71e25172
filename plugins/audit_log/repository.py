"""Events, chains and retention in the database."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, dict_row, namedtuple_row, scalar_row

from core.connection import Row, RowFactory
from core.errors import FlovynError, Unavailable
from core.named_queries import named_queries
from core.plugin_services import Database
from plugins.audit_log.domain import (
    EVENT_FIELDS,
    NO_HASH,
    REFUSALS_CHAIN,
    UNKNOWN,
    ChainedEvent,
    EventDraft,
    Head,
    Kind,
    chained,
)
from plugins.audit_log.filters import Filter, PageCursor

_SQL = named_queries(__package__, "queries.sql")
_NAMED: RowFactory[Any] = namedtuple_row
_values = attrgetter(*EVENT_FIELDS)
_KINDS = {str(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Chain:
    """Both ends of a tenant's chain.

    Attributes:
        head: the last event.
        first: number of the first event that is kept.
        before_first: hash of the event before that.
        overrun: there are events behind the head.
        underrun: there are events before the first.
    """

    head: Head
    first: int
    before_first: bytes
    overrun: bool
    underrun: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as readers get it; an attempt's ``outcome`` is that of its call, or ``unknown``."""

    event: ChainedEvent
    outcome: str


class EventRepository:
    """Appends to and reads ``p_audit_log__events`` and ``p_audit_log__chains``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[UUID] = set()  # tenants that have a chain

    async def append(self, drafts: Sequence[EventDraft]) -> list[int | FlovynError]:
        """Chain drafts of any tenants behind their heads, in one transaction; return the number of each.

        An error in place of a number concerns the drafts of one tenant.
        """
        of_tenant: dict[UUID, list[EventDraft]] = defaultdict(list)
        for draft in drafts:
            of_tenant[draft.tenant_id].append(draft)
        await self._make_chains(of_tenant.keys() - self._known)
        async with self._database.transaction() as connection:
            locked = {"tenants": list(of_tenant)}
            rows = await (await connection.cursor(row_factory=_NAMED).execute(_SQL["lock_heads"], locked)).fetchall()
            heads = {row.tenant_id: _head(row) for row in rows if not row.overrun}
            made = {tenant_id: chained(of_tenant[tenant_id], head) for tenant_id, head in heads.items()}
            if made:
                await connection.execute(_SQL["append"], _parameters(made))
        self._known -= of_tenant.keys() - made.keys()
        numbers = {tenant_id: iter(events) for tenant_id, events in made.items()}
        return [
            next(numbers[draft.tenant_id]).sequence if draft.tenant_id in numbers else _headless(draft.tenant_id)
            for draft in drafts
        ]

    async def _make_chains(self, tenants: Iterable[UUID]) -> None:
        """Make sure that the tenants have chains.

        Committed at once: heads are locked afterwards, in order, by a transaction that makes no rows.
        """
        wanted = list(tenants)
        if wanted:
            async with self._database.connection() as connection:
                await connection.execute(_SQL["make_chains"], {"tenants": wanted, "no_hash": NO_HASH})
            self._known.update(wanted)

    async def page(
        self, tenant_id: UUID, wanted: Filter, limit: int, cursor: PageCursor | None, *, newest_first: bool
    ) -> list[Shown]:
        """Return events behind the cursor, in order of their time."""
        parameters: dict[str, Any] = {name: value for name, value in asdict(wanted).items() if value is not None}
        parts = [_SQL["without_outcome" if parameters.get("code") == UNKNOWN else "with_code"]] * ("code" in parameters)
        parts += [_SQL[f"with_{name}"] for name in parameters if name != "code"]
        if cursor is not None:
            parameters |= {"cursor_at": cursor.at, "cursor_sequence": cursor.sequence}
            parts.append(_SQL["before_cursor" if newest_first else "after_cursor"])
        parts.append(_SQL["newest_first" if newest_first else "oldest_first"])
        return await self._select(parts, {**parameters, "tenant_id": tenant_id, "limit": limit})

    async def get(self, tenant_id: UUID, sequence: int) -> Shown | None:
        """Return the event of a number."""
        found = await self._select([_SQL["with_sequence"]], {"tenant_id": tenant_id, "sequence": sequence})
        return found[0] if found else None

    async def chain(self, tenant_id: UUID) -> Chain | None:
        """Return both ends of a chain; None when there is none."""
        row = await self._one(_NAMED, "chain", tenant_id)
        if row is None:
            return None
        return Chain(_head(row), row.first_sequence, bytes(row.first_previous_hash), row.overrun, row.underrun)

    async def has_events(self, tenant_id: UUID) -> bool:
        """Return whether a tenant has any event."""
        return bool(await self._one(scalar_row, "has_events", tenant_id))

    async def walk(self, tenant_id: UUID, after: int, up_to: int, limit: int) -> list[ChainedEvent]:
        """Return the next events of a chain, by number, as they are stored."""
        parameters = {"tenant_id": tenant_id, "after": after, "up_to": up_to, "limit": limit}
        async with self._database.connection() as connection:
            rows = await (await connection.cursor(row_factory=dict_row).execute(_SQL["walk"], parameters)).fetchall()
        return [_event(row) for row in rows]

    async def _one(self, rows: RowFactory[Row], query: str, tenant_id: UUID) -> Row | None:
        async with self._database.connection() as connection:
            cursor = connection.cursor(row_factory=rows)
            return await (await cursor.execute(_SQL[query], {"tenant_id": tenant_id})).fetchone()

    async def _select(self, parts: Sequence[str], parameters: dict[str, Any]) -> list[Shown]:
        query = "\n".join([_SQL["select_events"], *parts])
        async with self._database.connection() as connection:
            rows = await (await connection.cursor(row_factory=dict_row).execute(query, parameters)).fetchall()
        return [Shown(outcome=row.pop("outcome") or UNKNOWN, event=_event(row)) for row in rows]


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days a tenant's events are kept; None for ever. With principal and time of the last change."""

    keep_days: int | None = None
    changed_at: datetime | None = None
    changed_by: str | None = None


class RetentionRepository:
    """Reads and writes ``p_audit_log__retention``, and takes away what is past its time."""

    def __init__(self, database: Database, refusals_keep_days: int | None = None) -> None:
        self._database = database
        self._refusals_keep_days = refusals_keep_days

    async def get(self, tenant_id: UUID) -> Retention:
        """Return how long a tenant's events are kept."""
        async with self._database.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Retention))
            row = await (await cursor.execute(_SQL["get_retention"], {"tenant_id": tenant_id})).fetchone()
        return row or Retention(self._refusals_keep_days if tenant_id == REFUSALS_CHAIN else None)

    async def set(self, tenant_id: UUID, keep_days: int | None, changed_by: str) -> Retention:
        """Say how long a tenant's events are kept."""
        parameters = {"tenant_id": tenant_id, "keep_days": keep_days, "changed_by": changed_by}
        async with self._database.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Retention))
            row = await (await cursor.execute(_SQL["set_retention"], parameters)).fetchone()
        return row or await self.get(tenant_id)

    async def due(self, now: datetime, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """Return tenants, by id behind ``after``, with events past their time, and how many days they keep."""
        refusals = {"refusals": REFUSALS_CHAIN, "refusals_keep_days": self._refusals_keep_days}
        parameters = {"now": now, "after": after, "limit": limit, **refusals}
        async with self._database.connection() as connection:
            rows = await (await connection.cursor(row_factory=_NAMED).execute(_SQL["due"], parameters)).fetchall()
        return [(row.tenant_id, row.keep_days) for row in rows]

    async def prune(self, tenant_id: UUID, before: datetime, limit: int) -> int:
        """Delete the oldest events of a tenant, at most ``limit``; stop at the first that is kept."""
        async with self._database.transaction() as connection:
            moved = {"tenant_id": tenant_id, "before": before, "limit": limit}
            await connection.execute(_SQL["move_beginning"], moved)
            gone = await connection.execute(_SQL["take_away"], {"tenant_id": tenant_id})
        return int(gone.rowcount)


def _parameters(made: dict[UUID, list[ChainedEvent]]) -> dict[str, Any]:
    rows = [dict(zip(EVENT_FIELDS, _values(event), strict=True)) for chain in made.values() for event in chain]
    return {
        "events": json.dumps(rows, ensure_ascii=False, default=_text),
        "head_tenant": list(made),
        "head_sequence": [chain[-1].sequence for chain in made.values()],
        "head_hash": [chain[-1].hash for chain in made.values()],
    }


def _text(value: UUID | datetime | bytes) -> str:
    """Return a value that JSON has no form for as a text that PostgreSQL reads."""
    return rf"\x{value.hex()}" if isinstance(value, bytes) else str(value)


def _event(row: dict[str, Any]) -> ChainedEvent:
    """Return an event as it is stored, damaged or not."""
    row["kind"] = _KINDS.get(row["kind"], row["kind"])
    row["previous_hash"], row["hash"] = bytes(row["previous_hash"]), bytes(row["hash"])
    return ChainedEvent(**row)


def _head(row: Any) -> Head:
    return Head(row.last_sequence, bytes(row.last_hash))


def _headless(tenant_id: UUID) -> FlovynError:
    return Unavailable(
        f"the audit chain of tenant {tenant_id} is damaged: its head is gone, or lies before its last event;"
        " verify the chain, and restore its row of p_audit_log__chains from a backup"
    )
