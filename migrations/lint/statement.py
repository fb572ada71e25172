"""Splits a file into statements, exactly: what was checked is a slice of the file, and the slice is what runs."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migrations.lint.lexer import PUNCT, WORD, Lexed, Token, lex

DOWN_MARKER = "-- down"
"""The line that parts what ``apply`` runs from what ``rollback`` runs."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file.

    Attributes:
        text: the statement's characters, without the semicolon: ``sql[start:end]``.
        start: offset of its first character in the file.
        end: offset behind its last character.
        line: line of its first character, from 1.
        before: offset where the text that leads up to it (comments) begins.
        tokens: its words and signs.
    """

    text: str
    start: int
    end: int
    line: int
    before: int = 0
    tokens: tuple[Token, ...] = field(default=(), repr=False, compare=False)


class Lines:
    """Turns offsets into lines and columns."""

    def __init__(self, sql: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", sql))]

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def split(sql: str) -> list[Statement]:
    """Return a file's statements, each an exact slice of ``sql``; the bodies of ``BEGIN ATOMIC`` stay whole."""
    return statements(sql, lex(sql).tokens)


def statements(sql: str, tokens: Sequence[Token], lines: Lines | None = None) -> list[Statement]:
    """Return the statements of a file whose tokens are known."""
    lines = lines or Lines(sql)
    result = []
    before = 0
    for chunk, end in _chunks(tokens):
        if chunk:
            first, last = chunk[0].start, chunk[-1].end
            result.append(Statement(sql[first:last], first, last, lines.place(first)[0], before, tuple(chunk)))
        before = end
    return result


def _chunks(tokens: Sequence[Token]) -> Iterator[tuple[list[Token], int]]:
    """Yield the tokens between semicolons, and where the semicolon ends."""
    chunk: list[Token] = []
    body = _AtomicBody()
    for token in tokens:
        if token.kind == PUNCT and token.text == ";" and not body.depth:
            yield chunk, token.end
            chunk, body = [], _AtomicBody()
            continue
        chunk.append(token)
        if token.kind == WORD:
            body.see(token.text, len(chunk))
    yield chunk, chunk[-1].end if chunk else 0


class _AtomicBody:
    """Knows whether a ``CREATE FUNCTION`` is inside its ``BEGIN ATOMIC … END``."""

    def __init__(self) -> None:
        self.depth = 0
        self._routine: bool | None = None
        self._last = ""

    def see(self, word: str, position: int) -> None:
        if self._routine is None and word not in ("create", "or", "replace"):
            self._routine = self._last in ("create", "replace") and word in ("function", "procedure")
        elif self._routine:
            if not self.depth:
                self.depth = int(word == "atomic" and self._last == "begin")
            else:
                self.depth += {"case": 1, "end": -1}.get(word, 0)
        self._last = word if position <= 3 or self._routine else ""


def sections(sql: str) -> tuple[str, str | None]:
    """Part a file at its ``-- down`` line: (what ``apply`` runs, what ``rollback`` runs or None)."""
    marks = down_marks(sql, lex(sql))
    if not marks:
        return sql, None
    start, end = marks[0]
    return sql[:start], sql[end:]


def down_marks(sql: str, lexed: Lexed) -> list[tuple[int, int]]:
    """Return where the ``-- down`` lines are: whole lines, and never those inside a literal or a comment."""
    return [
        (start, end)
        for start, end in lexed.comments
        if sql[start:end] == DOWN_MARKER and (start == 0 or sql[start - 1] in "\n\r")
    ]
