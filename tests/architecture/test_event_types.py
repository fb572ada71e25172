"""Types of events that stand as texts in Python and in SQL are those of the catalogues."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import core
from server.domain.audit_event import AuditType
from server.domain.workflow_event import EventType

ROOT = Path(core.__file__).parent.parent

STREAMED = {"WORKFLOW_FAILED", "TASK_CREATED", "TASK_STARTED"}
"""Types that only streams show: a client of streams knows these changes by other names than a history."""

CATALOGUE = {*EventType, *AuditType, *STREAMED}

_NOUNS = {name.partition("_")[0] for name in CATALOGUE}
_NAME = re.compile(rf"\b(?:{'|'.join(sorted(_NOUNS))})(?:_[A-Z]+)+\b")
_COMPARED = re.compile(r"\bevent_type\s*(?:=|<>|!=|IN|NOT IN)\s*(\([^()]*\)|'[^']*')")


def _in_python(text: str) -> Iterator[str]:
    """Yield the texts that have the form of an event type."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _NAME.findall(node.value)


def _in_sql(text: str) -> Iterator[str]:
    """Yield the texts that have the form of an event type, and those that ``event_type`` is compared with."""
    statements = re.sub(r"--[^\n]*", "", text)
    yield from (name for literal in re.findall(r"'([^']*)'", statements) for name in _NAME.findall(literal))
    yield from (name for values in _COMPARED.findall(statements) for name in re.findall(r"'([^']*)'", values))


def test_types_of_events_are_in_the_catalogue() -> None:
    """A type that is written wrong, or was renamed, would match no event, and no other test might say so."""
    unknown = set()
    for folder in ("core", "server", "plugins", "migrations"):
        for file in sorted((ROOT / folder).rglob("*.*")):
            names = {".py": _in_python, ".sql": _in_sql}.get(file.suffix)
            if names is not None and "tests" not in file.parts and "pb2" not in file.name:
                unknown |= {
                    (str(file.relative_to(ROOT)), name) for name in names(file.read_text()) if name not in CATALOGUE
                }
    assert unknown == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("WHERE e.event_type IN ('TASK_SCHEDULD', 'STATE_SET')", ["TASK_SCHEDULD", "STATE_SET"] * 2),
        ("WHERE event_type = 'SCHEDULED' -- 'TASK_X'", ["SCHEDULED"]),
        ("SELECT 'TIMER_FIRD'", ["TIMER_FIRD"]),
        ("SELECT 'PENDING' AS status", []),
    ],
)
def test_types_are_found_in_sql(text: str, found: list[str]) -> None:
    """Each literal counts that has the form of a type, or is compared with one."""
    assert list(_in_sql(text)) == found


def test_types_are_found_in_python() -> None:
    """A type inside of a longer text counts; other texts in capitals do not."""
    assert list(_in_python("A = {'TASK_SCHEDULD': 1, 'see TIMER_FIRD': 2, 'DATABASE_URL': 3}")) == [
        "TASK_SCHEDULD",
        "TIMER_FIRD",
    ]
