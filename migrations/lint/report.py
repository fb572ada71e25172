"""Prints findings: for a person at a terminal, for a program, for a pull request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from migrations.lint.rules.rule import Finding

_RED, _YELLOW, _BOLD, _DIM, _OFF = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file, its text as far as it is text, and what was found."""

    path: str
    text: str
    findings: list[Finding]


def as_text(files: Iterable[CheckedFile], *, color: bool) -> str:
    """Show each finding with its source line and a caret."""
    parts = [_block(file, finding, color=color) for file in files for finding in file.findings]
    return "\n\n".join(parts)


def _block(file: CheckedFile, finding: Finding, *, color: bool) -> str:
    lines = file.text.splitlines()
    source = lines[finding.line - 1] if finding.line <= len(lines) else ""
    start = max(0, finding.column - 80)
    shown = "".join(char if char.isprintable() else " " for char in source[start : start + 160])
    paint = (_RED if finding.severity == "error" else _YELLOW) if color else ""
    bold, dim, off = (_BOLD, _DIM, _OFF) if color else ("", "", "")
    place = f"{file.path}:{finding.line}:{finding.column}"
    head = f"{bold}{place}{off} {paint}{finding.rule} {finding.severity}{off} {finding.message}"
    caret = " " * (finding.column - 1 - start) + "^"
    return f"{head}\n    {shown}\n    {paint}{caret}{off}\n    {dim}hint:{off} {finding.hint}"


def as_json(files: Iterable[CheckedFile]) -> str:
    """Give all findings as one JSON list."""
    return json.dumps([{"file": file.path, **asdict(finding)} for file in files for finding in file.findings], indent=2)


def as_github(files: Iterable[CheckedFile]) -> str:
    """Give annotations for a pull request."""
    return "\n".join(_annotation(file, finding) for file in files for finding in file.findings)


def _annotation(file: CheckedFile, finding: Finding) -> str:
    place = f"file={_property(file.path)},line={finding.line},col={finding.column},title={finding.rule}"
    message = f"{finding.message}\nhint: {finding.hint}"
    return f"::{finding.severity} {place}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def summary(files: list[CheckedFile], statements: int) -> str:
    """Say in one line how it went."""
    errors = sum(finding.severity == "error" for file in files for finding in file.findings)
    warnings = sum(len(file.findings) for file in files) - errors
    return f"{len(files)} files, {statements} statements: {errors} errors, {warnings} warnings"
