"""What a check reports: one value, the same for the build, the command line and the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong (``error``) or worth knowing (``warning``) in a migration.

    Attributes:
        line: line of the file, from 1.
        column: column in characters, from 1.
        rule: the rule's id, such as ``M020``; its page is in ``docs/migrations.md``.
        severity: only an ``error`` stops a build or a start.
        message: what the statement does and to what.
        hint: what to write instead.
    """

    line: int
    column: int
    rule: str
    severity: Severity
    message: str
    hint: str
