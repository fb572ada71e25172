"""The migration linter: proves that a plugin's SQL touches no object but the plugin's own.

``lint`` checks one plugin migration, ``lint_core`` one of the server's. ``split`` returns the exact slices that were
checked, and those slices run. A file passes when no finding is an ``error``. ``readers`` has the statements that may be
written at all, ``rules`` the rules; their pages are the sections of docs/migrations.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrations.lint import text
from migrations.lint.check import Checker, check_history, finding_of
from migrations.lint.names import PUBLISHED_TABLES, Ownership
from migrations.lint.rules import BY_ID
from migrations.lint.rules.rule import Finding, Hit, Severity
from migrations.lint.statement import DOWN_MARKER, Lines, Statement, sections, split

RULES_VERSION = "3"
"""Goes into an edition beside the digests of the files that were checked; raised when a verdict can change."""

__all__ = [
    "DOWN_MARKER",
    "PUBLISHED_TABLES",
    "RULES_VERSION",
    "Finding",
    "Severity",
    "Statement",
    "clashes",
    "core_locks",
    "core_objects",
    "lint",
    "lint_bytes",
    "lint_core",
    "lint_history",
    "owned_objects",
    "sections",
    "split",
]


def lint(plugin: str, sql: str, earlier: Sequence[str] = ()) -> list[Finding]:
    """Return all findings of one plugin migration, both of its parts; never raises.

    Args:
        plugin: the plugin's name, such as ``audit-log``.
        sql: the migration's text.
        earlier: the texts of the plugin's previous migrations, in order.
    """
    return _after(Checker(Ownership(plugin)), earlier).check(sql)


def lint_core(sql: str, earlier: Sequence[str] = ()) -> list[Finding]:
    """Return all findings of one of the server's own migrations, by the looser rules."""
    return _after(Checker(Ownership(""), "core"), earlier).check(sql)


def lint_bytes(plugin: str, content: bytes, earlier: Sequence[str] = ()) -> list[Finding]:
    """Return all findings of a file that may not even be text."""
    problem = text.undecodable(content)
    if problem is not None:
        return [finding_of(BY_ID[problem.rule], Lines(""), Hit(0, problem.message))]
    return lint(plugin, content.decode("utf-8"), earlier)


def lint_history(plugin: str, texts: Iterable[str]) -> list[list[Finding]]:
    """Return the findings of each of a plugin's migrations, in order: the quick way to check them all."""
    return check_history(plugin, list(texts))


def core_locks(plugin: str, sql: str, earlier: Sequence[str] = ()) -> list[tuple[int, str, str]]:
    """Return (line, core table, lock mode) for each lock that a migration takes on a core table."""
    return _after(Checker(Ownership(plugin)), earlier).locks(sql)


def owned_objects(plugin: str, texts: Iterable[str]) -> set[tuple[str, str]]:
    """Return (kind, name) of the objects that a plugin's migrations leave in the shared name spaces."""
    checker = _after(Checker(Ownership(plugin)), texts)
    return set(checker.world.objects)


def core_objects(texts: Iterable[str]) -> set[tuple[str, str]]:
    """Return (kind, name) of the objects that the server's own migrations leave."""
    return set(_after(Checker(Ownership(""), "core"), texts).world.objects)


def clashes(objects: dict[str, set[tuple[str, str]]]) -> list[tuple[str, str, str, str]]:
    """Return (kind, name, plugin, other plugin) for each object that two plugins of an edition claim."""
    owners: dict[tuple[str, str], str] = {}
    found = []
    for plugin in sorted(objects):
        for claim in sorted(objects[plugin]):
            if claim in owners:
                found.append((*claim, owners[claim], plugin))
            owners.setdefault(claim, plugin)
    return found


def _after(checker: Checker, earlier: Iterable[str]) -> Checker:
    for sql in earlier:
        checker.learn(sql)
    return checker
