"""Decides whether a trigger's function can stop or skip a row that the server deletes or changes by a cascade.

A table whose foreign key cascades from a table of the server's is changed inside the server's own DELETE. A trigger
that raises there makes that DELETE fail; one that returns NULL before the row goes leaves an orphan behind. So the
function must be of a form in which neither can happen, and a form that this module cannot follow counts as harmful.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.lexer import DOLLAR, NUMBER, OP, PARAM, PUNCT, STRING, WORD, Token, lex
from migrations.lint.readers.plpgsql import parse
from migrations.lint.readers.sql_body import MAX_BODY_TOKENS
from migrations.lint.readers.steps import Block, Step

Event = Literal["delete", "update"]
Timing = Literal["before", "after"]

_QUIET = frozenset({"debug", "log", "info", "notice", "warning"})
_LOOPS = frozenset({"case", "loop", "while", "for", "foreach"})
_CONDITION_WORDS = frozenset("old new is not null true false and or distinct from in found".split())
_CONDITION_SIGNS = frozenset({"=", "<>", "!=", "(", ")", ",", "."})


SITUATIONS: tuple[tuple[Timing, Event, bool], ...] = tuple(
    (timing, event, each_row)
    for timing in ("before", "after")
    for event in ("delete", "update")
    for each_row in (True, False)
)
"""The situations in which a trigger inside a cascade runs: timing, event, and whether it runs for each row."""


class StopsError(Exception):
    """The function may stop or skip the row; the message says where."""


@lru_cache(maxsize=256)  # a history asks about the same bodies after each of its statements
def why_it_stops(body: str, event: Event, timing: Timing, *, each_row: bool = True) -> str | None:
    """Return why a body in PL/pgSQL may stop or skip the row of a cascade, or None when it cannot.

    BEFORE DELETE: every path must return OLD (or COALESCE of OLD and NEW), and no statement on it may raise. BEFORE
    UPDATE: every path that returns must return NEW, as it came. AFTER: no path may raise by RAISE EXCEPTION or ASSERT.
    """
    lexed = lex(body, MAX_BODY_TOKENS)
    if lexed.problems:
        return "its body cannot be read"
    try:
        block = parse(Cursor(lexed.tokens, [], parameters=True))
        check = _Check(event, timing, each_row=each_row)
        if not check.block(block) and timing == "before" and each_row and event == "delete":
            return "it can end without RETURN OLD"
    except StopsError as error:
        return str(error)
    except (UnreadableError, RecursionError) as error:
        return f"its body is not understood: {error}"
    return None


class _Check:
    """Follows the paths of a body for one event."""

    def __init__(self, event: Event, timing: Timing, *, each_row: bool) -> None:
        self._event = event
        self._timing = timing
        self._each_row = each_row
        self._strict = event == "delete" and timing == "before"

    def block(self, block: Block) -> bool:
        """Follow a block; return whether every path through it returns."""
        for words in block.declared:
            self._declaration(words)
        returns = self._run(block.steps)
        for statements in block.handlers:
            returns = self._run(statements) and returns
        return returns

    def _run(self, statements: Sequence[Step]) -> bool:
        return any(self._statement(statement) for statement in statements)

    def _statement(self, statement: Step) -> bool:
        if statement.inner is not None:
            return self.block(statement.inner)
        if statement.branches:
            return self._branches(statement)
        words = [word.text for word in statement.words]
        first = words[0] if words else ""
        if first == "return":
            self._return(words[1:])
            return True
        if first == "raise":
            return self._raise(statement.words)
        if first == "assert" and (self._strict or self._timing == "after"):
            raise StopsError("ASSERT can fail")
        if self._timing == "before":
            _refuse_other_row(words)
        if first in _LOOPS:
            self._opaque(statement.words)
        if self._strict and words != ["null"]:
            raise StopsError(f'"{" ".join(words[:3])} …" can fail')
        return False

    def _branches(self, statement: Step) -> bool:
        returns = True
        for condition, statements in statement.branches:
            holds = self._decided(condition)
            if holds is False:
                continue
            if holds is None and self._strict and not _is_harmless(condition):
                raise StopsError("a condition can fail")
            returns = self._run(statements) and returns
            if holds is True:
                return returns
        return False

    def _decided(self, condition: Sequence[Token]) -> bool | None:
        """Say what a condition is for this event, or None when it is not known."""
        if not condition:
            return True
        words = [word.text for word in condition]
        while words[:1] == ["("] and words[-1:] == [")"]:
            words = words[1:-1]
        if words[2:] == ["tg_op"]:
            words.reverse()
        if words[:2] in (["tg_op", "="], ["tg_op", "<>"], ["tg_op", "!="]) and not words[3:]:
            return (words[2].lower() == self._event) == (words[1] == "=")
        if words[:3] == ["tg_op", "in", "("] and words[-1] == ")":
            return self._event in [word.lower() for word in words[3:-1]]
        return None

    def _return(self, words: list[str]) -> None:
        if self._timing == "after" or not self._each_row:
            return
        row = "old" if self._event == "delete" else "new"
        either = (["coalesce", "(", "old", ",", "new", ")"], ["coalesce", "(", "new", ",", "old", ")"])
        good = [[row], either[1], *([either[0]] if row == "old" else [])]
        if words not in good:
            raise StopsError(f"RETURN {' '.join(words[:6]).upper()} instead of {row.upper()}")

    def _raise(self, words: Sequence[Token]) -> bool:
        level = words[1].text if len(words) > 1 and words[1].kind == WORD else ""
        if level not in _QUIET:
            if self._timing == "after" or self._strict:
                raise StopsError("RAISE ends the server's own statement")
            return True
        if self._strict and not all(_is_plain(word) for word in words):
            raise StopsError("an argument of RAISE can fail")
        return False

    def _opaque(self, words: Sequence[Token]) -> None:
        """Judge the RETURNs and RAISEs inside a loop or CASE that is not followed."""
        for index, word in enumerate(words):
            if word.kind != WORD:
                continue
            if word.text == "return":
                rest = [each.text for each in words[index + 1 :]]
                self._return(rest[: rest.index(";")] if ";" in rest else rest)
            elif word.text in ("raise", "assert") and self._timing == "after":
                level = words[index + 1].text if index + 1 < len(words) else ""
                if level not in _QUIET:
                    raise StopsError(f"{word.text.upper()} ends the server's own statement")

    def _declaration(self, words: Sequence[Token]) -> None:
        texts = [word.text for word in words]
        if texts[0] in ("old", "new"):
            raise StopsError(f"a variable called {texts[0]} hides the row")
        if not self._strict:
            return
        start = next((index for index, text in enumerate(texts) if text in (":=", "=", "default")), len(texts))
        value = words[start + 1 :]
        if len(value) > 1 or any(word.kind not in (STRING, NUMBER, DOLLAR) and word.text != "null" for word in value):
            raise StopsError(f"the initial value of {texts[0]} can fail")


def _refuse_other_row(words: Sequence[str]) -> None:
    """Refuse a statement that puts another row, or none, in the place of OLD or NEW."""
    for index, word in enumerate(words):
        before, after = words[index - 1] if index else "", words[index + 1] if index + 1 < len(words) else ""
        if word in ("old", "new") and (before in ("into", "for") or (not index and after in (":=", "="))):
            raise StopsError(f"{word.upper()} is replaced as a whole")


def _is_harmless(condition: Sequence[Token]) -> bool:
    """Whether a condition compares columns and literals and so cannot fail."""
    for index, word in enumerate(condition):
        if word.kind in (STRING, NUMBER, DOLLAR):
            continue
        if word.kind in (PUNCT, OP) and word.text in _CONDITION_SIGNS:
            continue
        behind_dot = index > 1 and condition[index - 1].text == "." and condition[index - 2].text in ("old", "new")
        if word.kind == WORD and (behind_dot or word.text in _CONDITION_WORDS or word.text.startswith("tg_")):
            continue
        return False
    return True


def _is_plain(word: Token) -> bool:
    return word.kind in (STRING, NUMBER, DOLLAR, WORD) or word.text in (",", ".") or word.kind == PARAM
