"""How a migration runs: in one transaction, or as its first lines declare it."""

from __future__ import annotations

from typing import Literal

from migrations.lint.lexer import Lexed, lex

Mode = Literal["transaction", "outside", "batches"]

OUTSIDE_MARKER = "-- outside a transaction"
BATCHES_MARKER = "-- in batches"
_MODES: dict[str, Mode] = {OUTSIDE_MARKER: "outside", BATCHES_MARKER: "batches"}


def mode_of(sql: str, lexed: Lexed | None = None) -> Mode:
    """Return how a migration wants to run: by a comment line of its own before the first statement."""
    read = lexed or lex(sql)
    first = read.tokens[0].start if read.tokens else len(sql)
    for start, end in read.comments:
        alone = start == 0 or sql[start - 1] in "\n\r"
        if start < first and alone and sql[start:end] in _MODES:
            return _MODES[sql[start:end]]
    return "transaction"
