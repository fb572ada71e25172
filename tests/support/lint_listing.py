"""Lists what the linter says about the fixtures: each finding in full, and the facts that its readers note.

    .venv/bin/python -m tests.support.lint_listing    # writes the listings anew

A listing stands beside its fixtures, with the ending ``.txt``. Statements that are refused have no facts in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from migrations.lint import lint, lint_core, readers
from migrations.lint.facts import Fact, Reading
from migrations.lint.names import Name
from migrations.lint.statement import split
from tests.support.lint_cases import (
    FIXTURES,
    MALFORMED,
    MALFORMED_STATEMENTS,
    PLUGIN,
    Case,
    cases_of,
    malformed,
    malformed_statements,
    setup_sql,
)

COMMAND = ".venv/bin/python -m tests.support.lint_listing"


def fixtures() -> list[Path]:
    """Return the files that have a listing."""
    return sorted([*FIXTURES.glob("*/*.sql"), MALFORMED, MALFORMED_STATEMENTS])


def listing_file(fixture: Path) -> Path:
    """Return the file with the listing of a file of fixtures."""
    return FIXTURES.parent / "listings" / f"{fixture.parent.name}.{fixture.stem}.txt"


def listing(fixture: Path) -> str:
    """Return the listing of a file of fixtures, as it is now."""
    if fixture == MALFORMED:
        lines = _failures(malformed(), "CREATE VIEW p_audit__v AS SELECT ")
    elif fixture == MALFORMED_STATEMENTS:
        lines = _failures(malformed_statements(), "")
    else:
        lines = _cases(fixture)
    return "\n".join(lines) + "\n"


def _failures(texts: Sequence[str], before: str) -> Iterator[str]:
    """Yield each malformed text with the place in it, in characters, at which reading stops, and the reason."""
    for text in texts:
        failure = readers.read(split(before + text)[0]).failure
        yield f"{text}  --  {'read' if failure is None else f'{failure[0] - len(before)}: {failure[1]}'}"


def _cases(fixture: Path) -> Iterator[str]:
    folder = fixture.parent.name
    for case in cases_of(fixture):
        yield f"-- case: {case.name.partition(': ')[2]}"
        yield from _findings(case, is_core=folder == "core")
        if folder != "bad":
            for statement in split(case.sql):
                yield from _reading(readers.read(statement), statement.start)


def _findings(case: Case, *, is_core: bool) -> Iterator[str]:
    for each in lint_core(case.sql) if is_core else lint(PLUGIN, case.sql, [setup_sql()]):
        yield f"{each.line}:{each.column} {each.severity} {each.rule} {each.message}"


def _reading(reading: Reading, start: int) -> Iterator[str]:
    labels = f" (labels {', '.join(sorted(reading.labels))})" if reading.labels else ""
    yield f"{reading.form}{labels}"
    yield from (f"  {_fact(fact, start)}" for fact in reading.facts)
    yield from (f"  body: {_fact(fact, start)}" for fact in reading.body)
    if reading.failure:
        yield f"  unreadable at {reading.failure[0] - start}: {reading.failure[1]}"


def _fact(fact: Fact, start: int) -> str:
    """Return a fact without the values that are defaults; places count from the start of the statement."""
    values = {name: value for name, value in fact._asdict().items() if value != fact._field_defaults.get(name)}
    at = values.pop("at") - start
    return f"{at} {type(fact).__name__} {' '.join(f'{name}={_value(value, start)}' for name, value in values.items())}"


def _value(value: object, start: int) -> str:
    if isinstance(value, Name):
        return f"{value}@{value.at - start}"
    if isinstance(value, tuple):
        return f"({', '.join(_value(each, start) for each in value)})"
    return value if isinstance(value, str) and value.isidentifier() else repr(value)


if __name__ == "__main__":
    for each in fixtures():
        listing_file(each).write_text(listing(each), encoding="utf-8")
