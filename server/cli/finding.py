"""One line of ``flovyn-server doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a check ended: a server starts and serves with a warning, and not with a failure."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, and advice unless the check passed."""

    check: str
    result: Result
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Result.OK, text)


def warn(check: str, text: str, advice: str) -> Finding:
    """Return a warning for the operator."""
    return Finding(check, Result.WARN, text, advice)


def fail(check: str, text: str, advice: str) -> Finding:
    """Return something that keeps a server from working."""
    return Finding(check, Result.FAIL, text, advice)
