"""Proofs of migrations: an edition runs those that its build has checked, recognized by their digest.

A proof also holds the slices of the file that were checked, so that production editions need no reader of SQL. Where
the linter is installed (the build, tests, ``dev`` editions), it makes the proof of a migration that has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import MigrationError
from core.migration import CORE
from server.migrator import linter
from server.migrator.history import Owner, Pending

Mode = Literal["transaction", "outside", "batches"]
"""How a migration runs: in one transaction, outside of any, or in steps of which each is committed."""

Proofs = Mapping[tuple[str, str], Mapping[str, Any]]
"""The proofs of an edition by owner and file, in the form of ``edition.json``."""

Situation = tuple[str, str, bool]
"""When a trigger runs: timing, event, and whether it runs for each row."""

Routines = Mapping[str, Collection[Situation]]
"""The routines that the linter has accepted: the SHA-256 of the body, and the situations in which a trigger with this
body cannot stop a statement of the server."""


@dataclass(frozen=True, slots=True)
class ProvedStatement:
    """One statement of a migration.

    Attributes:
        text: the exact slice of the file, without a semicolon.
        line: line of its first character in the file, from 1.
        row_locks: the names behind ``FOR … OF`` of a statement with a locking clause; None without such a clause.
        creates: the index that a statement outside of a transaction creates.
        drops: likewise, the index that it drops.
        rebuilds: likewise, the index that it rebuilds.
    """

    text: str
    line: int
    row_locks: Sequence[str] | None = None
    creates: str | None = None
    drops: str | None = None
    rebuilds: str | None = None


@dataclass(frozen=True, slots=True)
class MigrationPart:
    """The up or the down part of a migration."""

    pending: Pending
    statements: Sequence[ProvedStatement]
    mode: Mode = "transaction"


@dataclass(frozen=True, slots=True)
class Proof:
    """A checked migration.

    Attributes:
        up: the part that ``apply`` runs.
        down: the part that ``rollback`` runs; None without a ``-- down`` section.
        locks: (line, core table, lock mode) of each lock that it takes on a table of the core.
        routines: the routines that it creates.
    """

    up: MigrationPart
    down: MigrationPart | None
    locks: Sequence[tuple[int, str, str]]
    routines: Routines


def proof_of(pending: Pending, owners: Iterable[Owner], proofs: Proofs) -> Proof:
    """Return the proof of a migration: the build's, or else the linter's.

    Raises:
        MigrationError: the build has not checked it and there is no linter, or the linter refuses it.
    """
    migration = pending.migration
    found = proofs.get((pending.owner, migration.file))
    if found is None or found["sha256"] != migration.checksum:
        owner = next(each for each in owners if each.name == pending.owner)
        earlier = [each.sql for each in owner.migrations if each.version < migration.version]
        found = _linted(pending, earlier)
    sql = migration.sql
    down_mode: Mode = "outside" if found["mode"] == "outside" else "transaction"
    down = None if found["down"] is None else MigrationPart(pending, _statements(sql, found["down"]), down_mode)
    locks = [(line, table, mode) for line, table, mode in found["locks"]]
    up = MigrationPart(pending, _statements(sql, found["up"]), found["mode"])
    return Proof(up, down, locks, {digest: set(map(tuple, each)) for digest, each in found["routines"].items()})


def _statements(sql: str, slices: Sequence[Mapping[str, Any]]) -> list[ProvedStatement]:
    facts = ("line", "row_locks", "creates", "drops", "rebuilds")
    return [
        ProvedStatement(sql[each["start"] : each["end"]], **{fact: each[fact] for fact in facts if fact in each})
        for each in slices
    ]


def _linted(pending: Pending, earlier: Sequence[str]) -> Mapping[str, Any]:
    if not linter.is_installed():
        raise MigrationError(
            f"{pending}: this edition was built with another text of this migration, or without it, so it is not"
            " checked; nothing was run. Build the edition again, or download it again"
        )
    if pending.owner != CORE:
        linter.check(pending.owner, pending.migration, earlier)
    return linter.proof(pending.owner, pending.migration.sql, earlier)
