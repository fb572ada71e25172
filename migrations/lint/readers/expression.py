"""Reads expressions by PostgreSQL's grammar: operands, and operators by their precedence.

Every word is read, none is skipped: an expression that PostgreSQL's parser refuses is refused here, at the same place.
The reader notes the functions that are called, the types and objects that are named, and whole rows that are used.
"""

from __future__ import annotations

from migrations.lint.builtin_types import REG_TYPES
from migrations.lint.cursor import Cursor, Reference
from migrations.lint.facts import Calls, NamesSequence
from migrations.lint.keywords import RESERVED
from migrations.lint.lexer import DOLLAR, ESCAPED, NUMBER, OP, PARAM, PUNCT, QUOTED, STRING, WORD, Token
from migrations.lint.names import Name, plugin_of
from migrations.lint.operators import COMPARISONS, OPERATORS
from migrations.lint.readers import call, query, special  # these modules import one another
from migrations.lint.readers import word_operators as levels
from migrations.lint.readers.types import type_name

LITERALS = frozenset({STRING, DOLLAR, ESCAPED})
STATEMENT_WORDS = frozenset({"select", "with", "values", "table", "insert", "update", "delete", "merge"})
"""Words that begin a query."""

_LEVELS = {
    **dict.fromkeys(COMPARISONS, levels.COMPARE),
    **dict.fromkeys("+-", levels.ADD),
    **dict.fromkeys("*/%", levels.TIMES),
    "^": levels.POWER,
}
_BARE_CALLS = frozenset(
    "current_date current_time current_timestamp localtime localtimestamp current_user session_user current_catalog"
    " current_role current_schema user".split()
)
_NOT_CALLS = frozenset({"exists", "array", "case", "row", "not", "operator", "grouping"})
_NOT_OPERATORS = frozenset({"=>"})
QUANTIFIERS = ("any", "some", "all")


def expression(c: Cursor, level: int = 0, *, simple: bool = False) -> None:
    """Read an expression of operators that bind at least as tightly as ``level``.

    ``simple`` is the grammar's ``b_expr``: without AND, OR, NOT, IN, LIKE, BETWEEN and IS NULL, as behind DEFAULT.
    """
    _operand(c, simple=simple)
    operators(c, level, simple=simple)


def simple_expression(c: Cursor) -> None:
    """Read the expression behind a column's DEFAULT."""
    expression(c, simple=True)


def expressions(c: Cursor) -> None:
    """Read expressions that are separated by commas."""
    c.listed(expression)


def in_parens(c: Cursor) -> None:
    """Read ``(expression)``."""
    c.enclosed(expression)


def operators(c: Cursor, level: int = 0, *, simple: bool = False) -> None:
    """Read the operators that follow an operand, with their right sides."""
    while True:
        token = c.token
        if token.kind == OP:
            binds = _LEVELS.get(token.text, levels.OTHER)
            if binds < level or token.text in _NOT_OPERATORS:
                return
            _binary(c, token, binds, simple=simple)
        elif token.kind == PUNCT:
            if token.text != "::":
                return
            _cast(c)
        elif token.kind == WORD:
            found = levels.WORDS.get(token.text)
            if found is None or found[0] < level or not found[1](c, simple=simple):
                return
        else:
            return


def _binary(c: Cursor, token: Token, binds: int, *, simple: bool) -> None:
    known(c, token)
    c.next()
    if c.at_word(*QUANTIFIERS) and not simple:
        quantified(c)
        return
    expression(c, binds + 1, simple=simple)
    if binds == levels.COMPARE and c.token.kind == OP and c.token.text in COMPARISONS:
        raise c.unreadable("comparisons do not chain; use parentheses")


def known(c: Cursor, token: Token) -> None:
    """Refuse an operator that is neither built in nor of a known extension."""
    if token.text not in OPERATORS:
        c.refuse("M034", f"operator {token.text} is neither built in nor of a known extension", token.start)


def quantified(c: Cursor) -> None:
    """Read ``ANY (query or array)``."""
    c.next()
    c.enclosed(lambda c: levels.query_or_list(c, single=True))


def _cast(c: Cursor) -> None:
    before, end = c.previous, c.index
    c.next()
    name = type_name(c)
    if name.last in REG_TYPES and before.kind in LITERALS:
        c.add(NamesSequence(before.start, name.last, call.name_in_literal(before)))
    if name.last != "record":
        c.forget_row(end)


def operator(c: Cursor) -> None:
    """Read ``OPERATOR(pg_catalog.=)``."""
    c.expect("operator")
    c.expect_sign("(")
    if c.token.kind in (WORD, QUOTED):
        schema = c.next()
        if schema.text != "pg_catalog":
            c.refuse("M002", f"operator of schema {schema.text}: only built-in operators may be named", schema.start)
        c.expect_sign(".")
    if c.token.kind != OP:
        raise c.unreadable("expected an operator")
    known(c, c.next())
    c.expect_sign(")")


def _operand(c: Cursor, *, simple: bool) -> None:
    """Read one operand with the signs before it."""
    token = c.token
    kind = token.kind
    if kind == WORD:
        _word(c, token, simple=simple)
    elif kind in LITERALS or kind == NUMBER:
        c.next()
    elif kind == QUOTED:
        call.named(c)
    elif kind == PUNCT and token.text == "(":
        if item(c) == "row" and c.take("overlaps"):
            _row(c)
    elif kind == OP and token.text in ("+", "-"):
        c.next()
        expression(c, levels.SIGN, simple=simple)
    elif kind == OP and token.text not in COMPARISONS and token.text not in _NOT_OPERATORS and token.text not in "*/%^":
        known(c, c.next())
        expression(c, levels.OTHER + 1, simple=simple)
    elif kind == PARAM:
        if not c.parameters:
            c.refuse("M070", f"{token.text[:10]} is a placeholder; a migration has no arguments")
        c.next()
        indirection(c)
    else:
        raise c.unreadable("expected an expression")


def _word(c: Cursor, token: Token, *, simple: bool) -> None:
    read = special.SPECIAL.get(token.text)
    if read is not None and read(c):
        return
    if token.text == "not" and not simple:
        c.next()
        expression(c, levels.NOT)
    elif token.text == "row" and c.peek().text == "(":
        _row(c)
        if c.take("overlaps"):
            _row(c)
    elif token.text == "operator" and c.peek().text == "(":
        operator(c)
        expression(c, levels.OTHER + 1, simple=simple)
    elif token.text in RESERVED:
        raise c.unreadable("expected an expression")
    else:
        call.named(c)


def call_only(c: Cursor) -> None:
    """Read a call and nothing behind it, as an index's expression or a FROM item is one."""
    start = c.index
    if c.token.kind not in (WORD, QUOTED) or (c.token.kind == WORD and c.token.text in _NOT_CALLS):
        raise c.unreadable("expected a function")
    outer, c.windowless = c.windowless, True
    _operand(c, simple=True)
    c.windowless = outer
    if c.previous.text != ")" and c.at_index(start).text not in _BARE_CALLS:
        c.index = start
        raise c.unreadable("expected a function")


def _row(c: Cursor) -> None:
    """Read ``ROW (a, b)`` or ``(a, b)``."""
    c.take("row")
    c.expect_sign("(")
    if not c.at_sign(")"):
        c.listed(row_item)
    c.expect_sign(")")


def row_item(c: Cursor) -> None:
    """Read an item of a row or a select list, in which ``t.*`` means all columns of ``t``."""
    start, mark = c.index, len(c.references)
    expression(c)
    c.forget_star(start, mark)


def item(c: Cursor) -> str:
    """Read ``( … )``, and return whether it was a ``query``, a ``row`` or an ``operand``."""
    mark, start = len(c.references), c.index
    kind = group(c)
    if kind == "row" or not c.at_sign(".", "["):
        return kind
    if c.at_sign(".") and c.index == start + 3 and len(c.references) == mark + 1:
        whole = c.references.pop()
        field = c.peek().text
        c.references.append(Reference(whole.at, (*whole.parts, field), c.index))
    indirection(c)
    return "operand"


def group(c: Cursor) -> str:
    """Read ``( … )`` alone, and return whether it was a ``query``, a ``row`` or an ``operand``."""
    c.expect_sign("(")
    kind = "operand"
    if query.begins(c):
        query.query(c)
        kind = "query"
    elif query.changes_rows(c):
        c.refuse("M030", f"{c.token.text.upper()} inside an expression; it may stand in WITH or by itself")
        query.query(c)
    elif c.at_sign("("):
        kind = item(c)
        if kind == "query" and query.continues(c):
            query.rest(c)
        elif kind != "query" or not c.at_sign(")"):
            if kind == "row" and c.take("overlaps"):
                _row(c)
            operators(c)
            kind = "operand"
        kind = "query" if kind == "query" else _more_items(c)
    else:
        row_item(c) if _row_ahead(c) else expression(c)
        kind = _more_items(c)
    c.expect_sign(")")
    return kind


def _row_ahead(c: Cursor) -> bool:
    """Whether the first item of the parentheses is ``t.*``."""
    return c.peek().text == "." and c.peek(2).text == "*"


def _more_items(c: Cursor) -> str:
    kind = "operand"
    while c.take_sign(","):
        row_item(c)
        kind = "row"
    return kind


def indirection(c: Cursor) -> None:
    """Read ``.field``, ``.*`` and ``[subscript]`` behind an operand that may have them."""
    while True:
        if c.at_sign("."):
            c.next()
            if not c.take_sign("*"):
                _field(c)
        elif c.at_sign("["):
            subscript(c)
        else:
            return


def _field(c: Cursor) -> None:
    """Read the name behind a dot: ``(e).p_x__f`` means ``p_x__f(e)``."""
    at, name = c.at, c.label()
    if name.startswith("p_") and plugin_of(name) is not None:
        c.add(Calls(at, Name((name,), at)))


def subscript(c: Cursor) -> None:
    """Read ``[index]`` or ``[from:to]``."""
    c.expect_sign("[")
    if not c.at_sign(":"):
        expression(c)
    if c.take_sign(":") and not c.at_sign("]"):
        expression(c)
    c.expect_sign("]")
