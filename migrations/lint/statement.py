"""Splits a file into statements, exactly: what was checked is a slice of the file, and the slice is what runs."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from migrations.lint.lexer import NUMBER, OP, PUNCT, STRING, WORD, Lexed, Token, lex

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


_LONG_ROWS = 200
_ROW_WORDS = frozenset({"null", "true", "false", "default"})


def is_rows(statement: Statement) -> bool:
    """Whether a long statement is ``INSERT … VALUES`` of plain literals, in which nothing can hide."""
    tokens = statement.tokens
    if len(tokens) < _LONG_ROWS or tokens[0].text != "insert":
        return False
    start = next((index for index, token in enumerate(tokens[:_LONG_ROWS]) if token.text == "values"), 0)
    return start > 0 and all(
        token.kind in (STRING, NUMBER, PUNCT)
        or (token.kind == WORD and token.text in _ROW_WORDS)
        or (token.kind == OP and token.text == "-")
        for token in tokens[start + 1 :]
    )


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
    body = _Body()
    for token in tokens:
        if token.kind == PUNCT and token.text == ";" and not body.depth:
            yield chunk, token.end
            chunk, body = [], _Body()
            continue
        chunk.append(token)
        body.see(token, len(chunk))
    yield chunk, chunk[-1].end if chunk else 0


class _Body:
    """Knows whether a statement is inside a body that holds semicolons of its own.

    Those are the ``BEGIN ATOMIC … END`` of a routine and the ``DO ALSO (a; b)`` of a rule.
    """

    def __init__(self) -> None:
        self.depth = 0
        self._kind: str | None = None
        self._last = ""

    def see(self, token: Token, position: int) -> None:
        """Add the next token of the statement."""
        if self._kind is None:
            self._begin(token, position)
        elif self._kind == "rule" and token.kind == PUNCT:
            self.depth += {"(": 1, ")": -1}.get(token.text, 0)
        elif self._kind == "routine" and token.kind == WORD:
            if self.depth:
                self.depth += {"case": 1, "end": -1}.get(token.text, 0)
            else:
                self.depth = int(token.text == "atomic" and self._last == "begin")
        self._last = token.text if token.kind == WORD else ""

    def _begin(self, token: Token, position: int) -> None:
        """Tell the kind of the statement by its first words."""
        word = token.text if token.kind == WORD else ""
        if position == 1:
            self._kind = None if word == "create" else ""
        elif word not in ("or", "replace"):
            self._kind = {"function": "routine", "procedure": "routine", "rule": "rule"}.get(word, "")


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
