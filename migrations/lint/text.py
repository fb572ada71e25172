"""Judges a file as text (M070), before anything in it has a meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from core.migration import MAX_MIGRATION_BYTES
from migrations.lint.lexer import DOLLAR, NUMBER, OP, PUNCT, QUOTED, STRING, WORD, Lexed, Problem, Token
from migrations.lint.statement import Statement, down_marks, is_rows

MAX_DEPTH = 64
"""Deeper parentheses are refused: no reader should have to be that patient."""

MAX_PROBLEMS = 100
MAX_WORDS = 40_000
"""Longer files are refused unless they are plain rows, so that a check always ends in time."""

TOO_LONG = f"more than {MAX_WORDS} words and signs, or function bodies as long; split it into several migrations"
_BODY_WORD_BYTES = 4
_OTHER_TOOLS = re.compile(
    r"--\s*(?:\+goose|\+migrate|migrate:\s*(?:up|down)|@\s*(?:up|down)|//\s*@undo|\+\+\s*(?:up|down)|down\b\s*(?:migration)?\s*:?\s*$)",
    re.IGNORECASE,
)
_BOM = "\ufeff"


def unusable(sql: str) -> Problem | None:
    """Return why the text is not worth reading at all: its size, or characters that no file can hold."""
    try:
        size = len(sql.encode())
    except UnicodeEncodeError as error:
        return Problem("M070", error.start, "the text is not Unicode: it holds half a character")
    if size > MAX_MIGRATION_BYTES:
        return Problem("M070", 0, f"the file has {size} bytes; at most {MAX_MIGRATION_BYTES} are allowed")
    return None


def undecodable(content: bytes) -> Problem | None:
    """Return why a file's bytes are no text."""
    if len(content) > MAX_MIGRATION_BYTES:
        return Problem("M070", 0, f"the file has {len(content)} bytes; at most {MAX_MIGRATION_BYTES} are allowed")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem("M070", 0, f"the file is not UTF-8 at byte {error.start}")
    return None


def too_long(part: Sequence[Statement]) -> bool:
    """Whether reading these statements would take too long; long lists of plain rows are read quickly."""
    words = sum(len(statement.tokens) for statement in part if not is_rows(statement))
    return words + sum(map(_body_words, part)) > MAX_WORDS


def _body_words(statement: Statement) -> int:
    """Estimate the words of what a routine holds as a literal."""
    if not any(token.text in ("function", "procedure") for token in statement.tokens[:4]):
        return 0
    literals = (token for token in statement.tokens if token.kind in (STRING, DOLLAR))
    return sum((token.end - token.start) // _BODY_WORD_BYTES for token in literals) // 2


def problems(sql: str, lexed: Lexed) -> list[Problem]:
    """Return the faults of a file's characters, at most the first hundred of each kind."""
    kinds = (lexed.problems, _characters(sql), _comments(sql, lexed), _tokens(lexed.tokens))
    return sorted((problem for kind in kinds for problem in islice(kind, MAX_PROBLEMS)), key=_place)


def _place(problem: Problem) -> int:
    return problem.at


def _characters(sql: str) -> Iterator[Problem]:
    if "\x00" in sql:
        yield Problem("M070", sql.index("\x00"), "the file holds a NUL")
    if _BOM in sql:
        yield Problem("M070", sql.index(_BOM), "byte order mark")


def _comments(sql: str, lexed: Lexed) -> Iterator[Problem]:
    marks = down_marks(sql, lexed)
    for start, _ in marks[1:]:
        yield Problem("M070", start, "a second -- down line; a file has one")
    exact = {start for start, _ in marks}
    for start, end in lexed.comments:
        if start not in exact and _OTHER_TOOLS.match(sql, start, end):
            text = sql[start:end].strip()[:40]
            yield Problem("M070", start, f'"{text}" parts nothing here; the line is exactly "-- down"')


def _tokens(tokens: list[Token]) -> Iterator[Problem]:
    depth = deepest = brackets = 0
    for index, token in enumerate(tokens):
        if token.kind == PUNCT:
            if token.text in "([":
                depth += 1
                brackets += token.text == "["
                if depth > MAX_DEPTH >= deepest:
                    yield Problem("M070", token.start, f"parentheses nest deeper than {MAX_DEPTH}")
                deepest = max(deepest, depth)
            elif token.text in ")]":
                depth -= 1
                brackets -= token.text == "]"
            elif token.text == ";":
                depth = brackets = 0
            elif token.text == ":" and not brackets and _is_variable(tokens, index):
                yield Problem("M070", token.start, f"psql variable :{tokens[index + 1].text[:40]}")
        elif token.kind == WORD and not token.text.isascii() and not _printable(token.text):
            yield Problem("M070", token.start, "invisible or exotic white space outside a literal")


def _printable(word: str) -> bool:
    return word.isprintable() and not any(char.isspace() for char in word)


def _is_variable(tokens: list[Token], index: int) -> bool:
    """Whether a colon begins ``:name`` and is not the one between a key and a value."""
    if index + 1 >= len(tokens) or tokens[index + 1].start != tokens[index].end:
        return False
    before = tokens[index - 1].kind if index else PUNCT
    return tokens[index + 1].kind in (WORD, QUOTED, STRING) and before in (PUNCT, OP, NUMBER)
