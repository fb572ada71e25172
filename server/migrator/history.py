"""Compares the migrations that the database has with those of the edition; no I/O.

An owner is the core or a plugin. A history that contradicts the edition is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import MigrationError
from core.migration import PluginMigration


@dataclass(frozen=True, slots=True)
class Owner:
    """The core (``core.migration.CORE``) or a plugin, and its migrations in order."""

    name: str
    migrations: Sequence[PluginMigration]


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the tracking table."""

    owner: str
    version: int
    description: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A migration that the database lacks."""

    owner: str
    migration: PluginMigration

    def __str__(self) -> str:
        return f"{self.owner} {self.migration.file}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The pending migrations in their order, and the applied versions that only a newer edition has."""

    pending: tuple[Pending, ...]
    ahead: tuple[Applied, ...]


def compare(owners: Sequence[Owner], applied: Sequence[Applied]) -> Plan:
    """Return the plan for ``owners``, in their order.

    Raises:
        MigrationError: a migration was edited after it was applied, or comes before one that was applied.
    """
    pending: list[Pending] = []
    ahead: list[Applied] = []
    for owner in owners:
        done = {row.version: row for row in applied if row.owner == owner.name}
        known = {migration.version for migration in owner.migrations}
        ahead += [row for version, row in sorted(done.items()) if version not in known]
        for migration in owner.migrations:
            row = done.get(migration.version)
            if row is None:
                pending.append(Pending(owner.name, migration))
            elif row.checksum != migration.checksum:
                raise MigrationError(_edited(owner.name, migration))
        _refuse_out_of_order(owner.name, [each for each in pending if each.owner == owner.name], max(done, default=0))
    return Plan(tuple(pending), tuple(ahead))


def _edited(owner: str, migration: PluginMigration) -> str:
    return (
        f"{owner}: migration {migration.file} was changed after it was applied to this database."
        " Restore the file as it was and put the change into a new migration"
    )


def _refuse_out_of_order(owner: str, pending: Sequence[Pending], newest: int) -> None:
    for each in pending:
        if each.migration.version < newest:
            raise MigrationError(
                f"{owner}: migration {each.migration.file} is older than version {newest:04}, which this database has."
                f" Give it a number above {newest:04}"
            )
