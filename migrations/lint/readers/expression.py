"""Reads expressions: which functions they call, which types and objects they name, which queries they hold."""

from __future__ import annotations

from migrations.lint.builtin_types import REG_TYPES
from migrations.lint.cursor import Cursor
from migrations.lint.facts import Calls, NamesSequence, UsesType
from migrations.lint.keywords import NOT_A_CALL, NOT_A_TYPE, RESERVED
from migrations.lint.lexer import DOLLAR, ESCAPED, PUNCT, QUOTED, STRING, WORD, Token
from migrations.lint.names import Name, plugin_of
from migrations.lint.readers import query  # expressions hold queries and queries hold expressions
from migrations.lint.readers.literals import name_in_literal
from migrations.lint.readers.types import is_builtin, type_name

_LITERALS = frozenset({STRING, DOLLAR, ESCAPED})
_SEQUENCE_FUNCTIONS = frozenset({"nextval", "setval", "currval"})
_QUERY_WORDS = frozenset({"select", "table", "for", "into"})
_EMPTY: frozenset[str] = frozenset()

STATEMENT_WORDS = frozenset({"select", "with", "values", "table", "insert", "update", "delete", "merge"})
"""Words that begin a query."""


def walk(c: Cursor, stops: frozenset[str] = _EMPTY, *, commas: bool = False) -> None:
    """Read an expression up to a closing sign, a stop word or (unless ``commas``) a comma."""
    while not c.done:
        token = c.token
        if token.kind == PUNCT:
            if token.text in (")", "]", ";") or (token.text == "," and not commas):
                return
        elif token.kind == WORD and token.text in stops:
            return
        step(c, stops)


def step(c: Cursor, stops: frozenset[str] = _EMPTY) -> None:
    """Read one operand, operator or word of an expression."""
    token = c.token
    if token.kind == WORD:
        _word(c, token, stops)
    elif token.kind == QUOTED:
        _named(c, token)
    elif token.kind in _LITERALS:
        _literal(c)
    elif token.text == "(" and token.kind == PUNCT:
        group(c)
    elif token.text == "[" and token.kind == PUNCT:
        c.next()
        walk(c, commas=True)
        c.expect_sign("]")
    elif token.text == "::" and token.kind == PUNCT:
        c.next()
        type_name(c)
    else:
        c.next()


def group(c: Cursor) -> None:
    """Read ``( … )``: a query, a list or an operand."""
    c.expect_sign("(")
    if c.at_word(*STATEMENT_WORDS) and _begins_query(c):
        query.query(c)
    else:
        walk(c, commas=True)
    c.expect_sign(")")


def _begins_query(c: Cursor) -> bool:
    """Tell a query from a column that is called like one of its words."""
    word, after = c.token.text, c.peek()
    if word == "delete":
        return after.kind == WORD and after.text == "from"
    if word in ("insert", "merge"):
        return after.kind == WORD and after.text == "into"
    if word == "update":
        return after.kind in (WORD, QUOTED)
    return word != "values" or after.text == "("


def _word(c: Cursor, token: Token, stops: frozenset[str]) -> None:
    after = c.peek()
    if token.text == "case":
        c.next()
        walk(c, frozenset({"end"}), commas=True)
        c.expect("end")
    elif token.text in ("cast", "treat") and after.text == "(":
        _cast(c)
    elif token.text == "collate":
        c.next()
        collation(c)
    elif token.text == "operator" and after.text == "(":
        _operator(c)
    elif token.text in _QUERY_WORDS:
        _query_word(c, token, stops)
    elif token.text in RESERVED and after.text not in (".", "("):
        c.next()
    else:
        _named(c, token)


def _query_word(c: Cursor, token: Token, stops: frozenset[str]) -> None:
    if token.text == "select":
        query.query(c, stops)
    elif token.text == "table":
        query.table_command(c)
    elif token.text == "into":
        query.into(c)
    elif not query.locking(c, 0):
        c.next()


def _named(c: Cursor, token: Token) -> None:
    """Read a name: a column, a call, or the type of a literal."""
    behind_dot = c.index > 0 and c.previous.text == "."
    name = c.name()
    if (behind_dot or len(name.parts) > 1) and plugin_of(name.last) is not None:
        c.add(Calls(name.at, Name((name.last,), name.at)))  # t.p_x__f means p_x__f(t)
    after = c.token
    plain = token.kind == WORD and len(name.parts) == 1
    if after.text == "(" and after.kind == PUNCT:
        if not (plain and name.last in NOT_A_CALL):
            _call(c, name)
    elif after.kind in _LITERALS and not (plain and name.last in NOT_A_TYPE):
        if name.last in REG_TYPES:
            _object_literal(c, name.last, after)
        elif not is_builtin(name):
            c.add(UsesType(name.at, name))
        c.next()


def _call(c: Cursor, name: Name) -> None:
    c.add(Calls(name.at, name))
    if name.last in _SEQUENCE_FUNCTIONS and name.parts[:-1] in ((), ("pg_catalog",)):
        _sequence_argument(c, name.last)
    group(c)


def _sequence_argument(c: Cursor, function: str) -> None:
    """Note which sequence a call names: a literal, or ``pg_get_serial_sequence`` of a table's literal."""
    literal, after = c.peek(), c.peek(2)
    if literal.kind == WORD and literal.text == "pg_get_serial_sequence" and after.text == "(":
        literal, after = c.peek(3), c.peek(4)
    alone = after.kind == PUNCT and after.text in (",", ")")
    if after.text == "::" and c.peek(3).text == "regclass":
        alone = c.peek(4).text in (",", ")")
    name = name_in_literal(literal) if alone else None
    c.add(NamesSequence(literal.start, function, name))


def _literal(c: Cursor) -> None:
    literal = c.next()
    if c.at_sign("::"):
        after = c.peek(3) if c.peek(2).text == "." else c.peek()
        if after.kind == WORD and after.text in REG_TYPES:
            _object_literal(c, after.text, literal)


def _object_literal(c: Cursor, kind: str, literal: Token) -> None:
    c.add(NamesSequence(literal.start, kind, name_in_literal(literal)))


def _cast(c: Cursor) -> None:
    c.next()
    c.expect_sign("(")
    literal = c.token
    walk(c, frozenset({"as"}), commas=True)
    alone = c.previous is literal
    c.expect("as")
    kind = type_name(c).last
    if alone and literal.kind in _LITERALS and kind in REG_TYPES:
        _object_literal(c, kind, literal)
    c.expect_sign(")")


def collation(c: Cursor) -> None:
    """Read the name after COLLATE."""
    name = c.name()
    if name.parts[:-1] not in ((), ("pg_catalog",)):
        c.refuse("M002", f"collation {name}: only the default schemas' objects may be named", name.at)


def _operator(c: Cursor) -> None:
    c.next()
    c.expect_sign("(")
    if c.token.kind in (WORD, QUOTED):
        schema = c.next()
        if schema.text != "pg_catalog":
            c.refuse("M002", f"operator of schema {schema.text}: only built-in operators may be named", schema.start)
        c.expect_sign(".")
    c.next()
    c.expect_sign(")")
