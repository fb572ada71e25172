"""Reads CREATE FUNCTION and CREATE PROCEDURE: the signature, the options, and then the body."""

from __future__ import annotations

from dataclasses import dataclass

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Body, Changes, Creates, ParsedBody, Renames
from migrations.lint.keywords import COLUMNS_ONLY, RESERVED
from migrations.lint.lexer import DOLLAR, ESCAPED, NUMBER, STRING, WORD, Token
from migrations.lint.names import Name
from migrations.lint.readers import plpgsql, sql_body
from migrations.lint.readers.expression import expression
from migrations.lint.readers.types import type_name

_MODES = ("in", "out", "inout", "variadic")
_AFTER_TYPE = (",", ")", "=", "[", "(", "%", ".")
_TYPE_TAILS = ("precision", "varying", "with", "without", "default", "array")
_HARMLESS = [
    "immutable",
    "stable",
    "volatile",
    "strict",
    "not leakproof",
    "called on null input",
    "returns null on null input",
    "security invoker",
    "external security invoker",
]
_FORBIDDEN = (
    ("external security definer", "SECURITY DEFINER"),
    ("security definer", "SECURITY DEFINER"),
    ("leakproof", "LEAKPROOF"),
)
_LANGUAGES = ("sql", "plpgsql")


@dataclass(slots=True)
class _Routine:
    """The options that were read so far."""

    kind: str
    name: Name
    volatile: bool = True
    language: str = ""
    body: Token | None = None

    def label(self) -> str:
        return f"{self.kind} {self.name}"


def create(c: Cursor, kind: str, *, replaces: bool = False) -> None:
    """Read CREATE [OR REPLACE] FUNCTION | PROCEDURE behind its kind."""
    name, index = c.routine(), len(c.facts)
    made = Creates(name.at, kind, name, replaces=replaces)
    c.add(made)
    routine = _Routine(kind, name)
    arguments(c)
    if c.take("returns"):
        _returns(c)
    while not c.done:
        at = c.at
        if c.take("begin atomic"):
            c.add(ParsedBody(at))
            sql_body.read_atomic(c)
        elif c.take("return"):
            c.add(ParsedBody(at))
            sql_body.read_return(c)
        else:
            _option(c, routine)
    c.facts[index] = made._replace(volatile=routine.volatile)
    _judge_language(c, routine)
    _read_body(c, routine)


def arguments(c: Cursor) -> None:
    """Read a signature: ``([mode] [name] type [DEFAULT …], …)``."""
    c.expect_sign("(")
    if not c.at_sign(")"):
        c.listed(_argument)
    c.expect_sign(")")


def _argument(c: Cursor) -> None:
    c.take_any(*_MODES)
    if _named(c):
        c.word()
        c.take_any(*_MODES)
    type_name(c)
    if c.take("default") or c.take_sign("="):
        expression(c)


def _named(c: Cursor) -> bool:
    """Whether a name stands before the type: something that goes on after it is the type."""
    after = c.peek()
    if c.token.kind == WORD and c.token.text in (RESERVED | COLUMNS_ONLY):
        return False
    return after.text not in _AFTER_TYPE and not (after.kind == WORD and after.text in _TYPE_TAILS)


def _returns(c: Cursor) -> None:
    def column(c: Cursor) -> None:
        c.word()
        type_name(c)

    if c.take("table"):
        c.enclosed(lambda c: c.listed(column))
    else:
        type_name(c)


def _option(c: Cursor, routine: _Routine) -> None:
    at = c.at
    if any(c.take(phrase) for phrase in _HARMLESS):
        routine.volatile &= c.previous.text not in ("immutable", "stable")
        return
    for phrase, what in _FORBIDDEN:
        if c.take(phrase):
            c.refuse("M040", f"{routine.label()}: {what} is not allowed", at)
            return
    if c.take("language"):
        routine.language = c.next().text
    elif c.take("parallel"):
        c.word()
    elif c.take_any("cost", "rows"):
        if c.next().kind != NUMBER:
            raise c.unreadable("expected a number")
    elif c.take("as"):
        _body_literal(c, routine)
    elif c.take_any("set", "reset", "transform", "support", "window"):
        what = c.previous.text.upper()
        c.refuse("M040", f"{routine.label()}: {what} is not allowed", at)
        _skip_clause(c)
    else:
        raise c.unreadable(f"CREATE {routine.kind.upper()} has no such option here")


def _skip_clause(c: Cursor) -> None:
    """Skip a forbidden option's value, up to the next option that is known."""
    while not c.done and not c.at_word(
        "as", "language", "begin", "return", "immutable", "stable", "volatile", "security"
    ):
        c.next()


def _body_literal(c: Cursor, routine: _Routine) -> None:
    token = c.next()
    if token.kind == ESCAPED:
        message = f"{routine.label()}: the body must be one plain literal, or dollar-quoted; escapes hide what it says"
        c.refuse("M040", message, token.start)
    elif token.kind in (STRING, DOLLAR):
        routine.body = token
    else:
        raise c.unreadable("expected the body as a literal")
    if c.take_sign(","):
        c.refuse("M040", f"{routine.label()}: only bodies in SQL and PL/pgSQL are allowed", c.at)
        c.next()


def _judge_language(c: Cursor, routine: _Routine) -> None:
    if routine.language and routine.language not in _LANGUAGES:
        c.refuse("M040", f"{routine.label()}: language {routine.language} is not sql or plpgsql", routine.name.at)
    elif routine.body is not None and not routine.language:
        c.refuse("M040", f"{routine.label()}: LANGUAGE is missing", routine.name.at)


def _read_body(c: Cursor, routine: _Routine) -> None:
    if routine.body is None or routine.language not in ("", *_LANGUAGES):
        return
    c.add(Body(routine.body.start, routine.name, routine.body.text, routine.language))
    read = plpgsql.read if routine.language == "plpgsql" else sql_body.read
    read(routine.body, c.body)


def alter(c: Cursor, kind: str) -> None:
    """Read ALTER FUNCTION | PROCEDURE | ROUTINE behind its kind."""
    name = c.routine()
    c.add(Changes(name.at, kind, name, "ALTER"))
    signature(c)
    if c.take("rename to"):
        new = c.name()
        c.add(Renames(new.at, kind, name, new))
        return
    at = c.at
    if c.take("set schema") or c.take("owner to"):
        c.refuse("M011", f'moving {name} to "{c.word()}" would take it out of the plugin\'s hands', at)
    elif c.take("depends") or c.take("no depends"):
        c.expect("on extension")
        c.refuse("M060", f"extension {c.word()} belongs to the operator", at)
    else:
        routine = _Routine(kind, name)
        _option(c, routine)
        while not c.done:
            if not c.take("restrict"):
                _option(c, routine)


def signature(c: Cursor) -> None:
    """Read the argument types of DROP, ALTER and COMMENT, if they are given; names and modes may be among them."""
    if c.at_sign("("):
        arguments(c)
