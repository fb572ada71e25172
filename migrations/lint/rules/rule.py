"""What a rule is: its page and its check in one place, so that neither can go stale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from migrations.lint.facts import Reading
from migrations.lint.finding import Severity
from migrations.lint.modes import Mode
from migrations.lint.names import Name, Ownership
from migrations.lint.statement import Statement
from migrations.lint.world import World

F = TypeVar("F", bound=tuple[object, ...])
Ruleset = Literal["plugin", "core", "both"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a rule applies, and what to say of it."""

    at: int
    message: str


@dataclass(frozen=True, slots=True)
class Context:
    """One statement, and all that is known when it is judged."""

    sql: str
    statement: Statement
    reading: Reading
    world: World
    ownership: Ownership
    mode: Mode = "transaction"

    def all(self, kind: type[F]) -> Iterator[F]:
        """Yield what the statement itself does."""
        return (fact for fact in self.reading.facts if isinstance(fact, kind))

    def in_body(self, kind: type[F]) -> Iterator[F]:
        """Yield what the function does that the statement makes."""
        return (fact for fact in self.reading.body if isinstance(fact, kind))

    def anywhere(self, kind: type[F]) -> Iterator[F]:
        """Yield what the statement does at once or in a body that it makes."""
        yield from self.all(kind)
        yield from self.in_body(kind)

    def misplaced(self, name: Name) -> bool:
        """Whether the name would be the plugin's if it stood in the default schema (M002 says so)."""
        return not name.bare and self.ownership.has_prefix(name.last)

    def foreign(self, name: Name) -> bool:
        """Whether the name is not the plugin's, and no other rule is nearer than the one that asks."""
        return not self.ownership.owns(name) and not self.misplaced(name)

    def own_name(self, local: str = "…") -> str:
        """Return how an own object is called."""
        return f"{self.ownership.prefix}{local}"


Check = Callable[[Context], Iterable[Hit]]
AtEnd = Callable[[World], Iterable[Hit]]


def _never(_context: Context) -> Iterable[Hit]:
    return ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule with its page.

    Attributes:
        id: ``M020``, ``W1``, ``C010``.
        title: what it refuses, as a heading.
        what: which statements it meets.
        why: the harm.
        instead: what to write; also the hint of each finding.
        bad: an example that it refuses, for the plugin ``audit``.
        good: the same intent, allowed.
        check: finds the places; rules that readers apply by form alone need none.
        at_end: for what is known only when the whole file was read.
        applies: to which migrations.
        once: report the first place in a file only.
    """

    id: str
    title: str
    what: str
    why: str
    instead: str
    bad: str
    good: str
    check: Check = _never
    at_end: AtEnd | None = None
    applies: Ruleset = "plugin"
    once: bool = False

    @property
    def severity(self) -> Severity:
        """Warnings have ids that begin with W."""
        return "warning" if self.id.startswith("W") else "error"
