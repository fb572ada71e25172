"""The proof of a migration: what the migrator must know of it, computed by the build.

A built edition carries the proofs of all its migrations beside their digests, so that it needs no reader of SQL.
``server.migrator.proof`` reads this form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain, pairwise
from typing import Any

from core.migration import CORE, PluginMigration
from migrations.lint import core_locks, readers, sections, split
from migrations.lint.facts import Body, Changes, Creates, Drops
from migrations.lint.modes import mode_of
from migrations.lint.statement import Lines, Statement
from migrations.lint.trigger_body import SITUATIONS, why_it_stops

_WRITES = frozenset({"insert", "update", "delete", "merge", "with"})


def proofs(owner: str, migrations: Sequence[PluginMigration]) -> list[dict[str, Any]]:
    """Return the entries of ``edition.json`` for an owner's migrations: file, digest and proof of each."""
    texts = [migration.sql for migration in migrations]
    return [
        {"file": each.file, "sha256": each.checksum, **proof(owner, each.sql, texts[:number])}
        for number, each in enumerate(migrations)
    ]


def proof(owner: str, sql: str, earlier: Sequence[str] = ()) -> dict[str, Any]:
    """Return the proof of a migration as JSON: its mode, its statements as slices of the file, its locks and routines.

    Args:
        owner: ``core`` or the plugin's name.
        sql: the migration's text; whether it keeps the rules is not checked here.
        earlier: the texts of the owner's previous migrations, in order.
    """
    up, down = sections(sql)
    lines = Lines(sql)
    mode = mode_of(sql)
    locks = [] if owner == CORE else core_locks(owner, sql, earlier)
    return {
        "mode": mode,
        "up": list(_statements(up, 0, lines, mode)),
        "down": None if down is None else list(_statements(down, len(sql) - len(down), lines, mode)),
        "locks": [list(lock) for lock in locks],
        "routines": {} if owner == CORE else dict(_routines([*split(up), *split(down or "")])),
    }


def _routines(statements: Sequence[Statement]) -> Iterator[tuple[str, list[list[Any]]]]:
    """Yield the SHA-256 of each routine's body, and the situations in which a trigger with it cannot stop a cascade."""
    for fact in chain.from_iterable(readers.read(statement).facts for statement in statements):
        if isinstance(fact, Body):
            in_steps = fact.language == "plpgsql"  # others serve no trigger
            harmless = [
                [timing, event, each_row]
                for timing, event, each_row in SITUATIONS
                if in_steps and why_it_stops(fact.text, event, timing, each_row=each_row) is None
            ]
            yield sha256(fact.text.encode()).hexdigest(), harmless


def _statements(part: str, offset: int, lines: Lines, mode: str) -> Iterator[dict[str, Any]]:
    for statement in split(part):
        start, end = offset + statement.start, offset + statement.end
        described: dict[str, Any] = {"start": start, "end": end, "line": lines.place(start)[0]}
        described |= _index(statement) if mode == "outside" else {}
        row_locks = _row_locks(statement)
        yield described if row_locks is None else {**described, "row_locks": row_locks}


def _index(statement: Statement) -> dict[str, str]:
    """Return the index that a statement outside of a transaction creates, drops or rebuilds."""
    for fact in readers.read(statement).facts:
        match fact:
            case Creates():
                return {"creates": fact.name.last}
            case Drops():
                return {"drops": fact.name.last}
            case Changes(action="REINDEX"):
                return {"rebuilds": fact.name.last}
    return {}


def _row_locks(statement: Statement) -> list[str] | None:
    """Return the names behind every ``FOR … OF`` of a statement that writes; None when it has no such clause."""
    words = [token.text for token in statement.tokens]
    if words[0] not in _WRITES or "for" not in words or not {"update", "share"} & set(words):
        return None
    found: set[str] = set()
    inside = False
    for before, word in pairwise(words):
        if word == "of" and before in ("update", "share"):
            inside = True
        elif inside and before in ("of", ","):
            found.add(word)
        elif word != ",":
            inside = False
    return sorted(found)
