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
class Diagnosis:
    """The result of a check, and advice unless the check passed."""

    check: str
    result: Result
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Diagnosis:
    """Return that all is well."""
    return Diagnosis(check, Result.OK, text)


def warn(check: str, text: str, advice: str) -> Diagnosis:
    """Return a warning for the operator."""
    return Diagnosis(check, Result.WARN, text, advice)


def fail(check: str, text: str, advice: str) -> Diagnosis:
    """Return something that keeps a server from working."""
    return Diagnosis(check, Result.FAIL, text, advice)
