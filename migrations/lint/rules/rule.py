"""The parts of a rule, and the facts that it has about the statement that it judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from migrations.lint.facts import ForeignKey, Reading
from migrations.lint.modes import Mode
from migrations.lint.names import Name, Ownership
from migrations.lint.statement import Statement
from migrations.lint.world import World

Severity = Literal["error", "warning"]
Ruleset = Literal["plugin", "core", "both"]


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """One objection.

    Attributes:
        line: line in the file, from 1.
        column: column in characters, from 1.
        rule: ``M020``, ``W1``, ``C010``; ``--explain`` prints its page.
        severity: errors stop the build, warnings do not.
        message: what is wrong, with the name that is concerned.
        hint: what to write instead.
    """

    line: int
    column: int
    rule: str
    severity: Severity
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a rule applies, and the message about it; an index on ``key`` in a later file answers it."""

    at: int
    message: str
    key: ForeignKey | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One statement, and all that is known when it is judged."""

    sql: str
    statement: Statement
    reading: Reading
    world: World
    ownership: Ownership
    mode: Mode = "transaction"

    def all(self, *kinds: type[Any]) -> Iterator[Any]:
        """Yield the facts of these kinds about the statement itself."""
        return (fact for fact in self.reading.facts if isinstance(fact, kinds))

    def anywhere(self, *kinds: type[Any]) -> Iterator[Any]:
        """Yield the facts of these kinds about the statement, and about the body that it makes."""
        yield from self.all(*kinds)
        yield from (fact for fact in self.reading.body if isinstance(fact, kinds))

    def misplaced(self, name: Name) -> bool:
        """Whether the name would be the plugin's if it stood in the default schema, which M002 reports."""
        return not name.bare and self.ownership.has_prefix(name.last)

    def foreign(self, name: Name) -> bool:
        """Whether the name is not the plugin's, and M002 does not report it."""
        return not self.ownership.owns(name) and not self.misplaced(name)

    def own_name(self, local: str = "…") -> str:
        """Return the name of an own object."""
        return f"{self.ownership.prefix}{local}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; its page is the section of docs/migrations.md that its id begins.

    Attributes:
        id: ``M020``, ``W1``, ``C010``.
        instead: what to write instead, the hint of each finding.
        check: finds the places in a statement; None where the readers refuse by form alone.
        at_end: finds the places when the whole file was read.
        applies: to which migrations.
    """

    id: str
    instead: str
    check: Callable[[Context], Iterable[Hit]] | None = None
    at_end: Callable[[World], Iterable[Hit]] | None = None
    applies: Ruleset = "plugin"

    @property
    def severity(self) -> Severity:
        """Warnings have ids that begin with W."""
        return "warning" if self.id.startswith("W") else "error"
