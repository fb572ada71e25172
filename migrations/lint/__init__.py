"""The migration linter: proves of a plugin's SQL that it touches nothing but the plugin's own objects.

``lint`` checks one plugin migration, ``lint_core`` one of the server's; ``split`` gives the exact slices that
were checked, which are what runs. A file passes when no finding is an ``error``. The rules stand in ``rules``,
one per file, with their pages; what may be written at all stands in ``readers``. See docs/migrations.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrations.lint import text
from migrations.lint.check import Checker
from migrations.lint.finding import Finding, Severity
from migrations.lint.names import PUBLISHED_TABLES, Ownership
from migrations.lint.rules import BY_ID
from migrations.lint.statement import DOWN_MARKER, Statement, sections, split

RULES_VERSION = "2"
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
    """Return all findings of one plugin migration, both of its parts; never raises, whatever the text is.

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
        rule = BY_ID[problem.rule]
        return [Finding(1, 1, rule.id, rule.severity, problem.message, rule.instead)]
    return lint(plugin, content.decode("utf-8"), earlier)


def lint_history(plugin: str, texts: Iterable[str]) -> list[list[Finding]]:
    """Return the findings of each of a plugin's migrations, in order: the quick way to check them all."""
    checker = Checker(Ownership(plugin))
    return [checker.check(sql) for sql in texts]


def core_locks(plugin: str, sql: str, earlier: Sequence[str] = ()) -> list[tuple[int, str, str]]:
    """Return (line, core table, lock mode) for each lock that a migration takes on a core table."""
    return _after(Checker(Ownership(plugin)), earlier).locks(sql)


def owned_objects(plugin: str, texts: Iterable[str]) -> set[tuple[str, str]]:
    """Return (kind, name) of all that a plugin's migrations leave behind in the shared name spaces."""
    checker = _after(Checker(Ownership(plugin)), texts)
    return set(checker.world.objects)


def core_objects(texts: Iterable[str]) -> set[tuple[str, str]]:
    """Return (kind, name) of all that the server's own migrations leave behind."""
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
