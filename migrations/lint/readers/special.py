"""Reads the operands that have a syntax of their own: CASE, CAST, ARRAY, EXTRACT, TRIM, the XML functions."""

from __future__ import annotations

from collections.abc import Callable

from migrations.lint.builtin_types import REG_TYPES
from migrations.lint.cursor import Cursor
from migrations.lint.facts import NamesSequence
from migrations.lint.lexer import DOLLAR, ESCAPED, NUMBER, QUOTED, STRING, WORD
from migrations.lint.readers import call, query
from migrations.lint.readers import expression as ex
from migrations.lint.readers.literals import name_in_literal
from migrations.lint.readers.types import type_name

_LITERALS = frozenset({STRING, DOLLAR, ESCAPED})
_TRIMS = ("both", "leading", "trailing")


def _case(c: Cursor) -> bool:
    c.next()
    if not c.at_word("when"):
        ex.expression(c)
    if not c.at_word("when"):
        raise c.unreadable("expected WHEN")
    while c.take("when"):
        ex.expression(c)
        c.expect("then")
        ex.expression(c)
    if c.take("else"):
        ex.expression(c)
    c.expect("end")
    return True


def _cast_call(c: Cursor) -> bool:
    """Read ``CAST(value AS type)`` and TREAT."""
    if c.peek().text != "(":
        return False
    c.next()
    c.expect_sign("(")
    literal, end = c.token, 0
    ex.expression(c)
    alone, end = c.previous is literal, c.index
    c.expect("as")
    kind = type_name(c).last
    if kind != "record":
        c.forget_row(end)
    if alone and literal.kind in _LITERALS and kind in REG_TYPES:
        c.add(NamesSequence(literal.start, kind, name_in_literal(literal)))
    c.expect_sign(")")
    return True


def _array(c: Cursor) -> bool:
    c.next()
    if c.at_sign("("):
        c.expect_sign("(")
        query.query(c)
        c.expect_sign(")")
    else:
        _elements(c)
    return True


def _elements(c: Cursor) -> None:
    """Read ``[a, b]`` and ``[[a], [b]]``."""
    c.expect_sign("[")
    if not c.at_sign("]"):
        nested = c.at_sign("[")
        while True:
            _elements(c) if nested else ex.expression(c)
            if not c.take_sign(","):
                break
    c.expect_sign("]")


def _exists(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    mark, start = len(c.references), len(c.facts)
    if ex.group(c) != "query":
        raise c.unreadable("expected a query in front of this")
    c.forget_rows(mark, start)
    return True


def _constant(c: Cursor) -> bool:
    c.next()
    return True


def _moment(c: Cursor) -> bool:
    """Read CURRENT_TIMESTAMP and its kin, with a precision or without."""
    c.next()
    if c.take_sign("("):
        _number(c)
        c.expect_sign(")")
    return True


def _number(c: Cursor) -> None:
    if c.token.kind != NUMBER:
        raise c.unreadable("expected a number")
    c.next()


def _list(c: Cursor) -> bool:
    """Read COALESCE, GREATEST, LEAST, NULLIF, GROUPING, XMLCONCAT and their list of values."""
    if c.peek().text != "(":
        return False
    two = c.next().text == "nullif"
    c.expect_sign("(")
    ex.expression(c)
    if two:
        c.expect_sign(",")
        ex.expression(c)
    else:
        while c.take_sign(","):
            ex.expression(c)
    c.expect_sign(")")
    return True


def _extract(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    c.expect_sign("(")
    if c.token.kind not in (WORD, QUOTED, STRING):
        raise c.unreadable("expected a field")
    c.next()
    c.expect("from")
    ex.expression(c)
    c.expect_sign(")")
    return True


def _parts(*forms: str) -> Callable[[Cursor], bool]:
    """Make the reader of ``f(a WORD b WORD c)``, which may also be called with a plain list."""
    words = tuple({word for form in forms for word in form.split()})

    def read(c: Cursor) -> bool:
        if c.peek().text != "(":
            return False
        c.next()
        c.expect_sign("(")
        call.argument(c)
        if c.at_sign(","):
            while c.take_sign(","):
                call.argument(c)
        else:
            taken = []
            while word := c.take_any(*words):
                taken.append(word)
                ex.expression(c)
            if taken and " ".join(taken) not in forms:
                raise c.unreadable(f"expected {forms[0].upper()} in this order")
        c.expect_sign(")")
        return True

    return read


def _position(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    c.expect_sign("(")
    ex.simple_expression(c)
    c.expect("in")
    ex.simple_expression(c)
    c.expect_sign(")")
    return True


def _trim(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    c.expect_sign("(")
    c.take_any(*_TRIMS)
    if not c.take("from"):
        ex.expression(c)
        if c.take("from"):
            ex.expressions(c)
    else:
        ex.expressions(c)
    while c.take_sign(","):
        ex.expression(c)
    c.expect_sign(")")
    return True


def _normalize(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    c.expect_sign("(")
    ex.expression(c)
    if c.take_sign(",") and not c.take_any("nfc", "nfd", "nfkc", "nfkd"):
        raise c.unreadable("expected NFC, NFD, NFKC or NFKD")
    c.expect_sign(")")
    return True


def _collation_for(c: Cursor) -> bool:
    if not c.take("collation for"):
        return False
    ex.in_parens(c)
    return True


def _xml_element(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    c.expect_sign("(")
    c.expect("name")
    c.label()
    while c.take_sign(","):
        if c.at_word("xmlattributes") and c.peek().text == "(":
            c.next()
            _labelled(c)
        else:
            ex.expression(c)
    c.expect_sign(")")
    return True


def _labelled(c: Cursor) -> None:
    """Read ``(value [AS label], …)``."""
    c.expect_sign("(")
    while True:
        ex.expression(c)
        if c.take("as"):
            c.label()
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _xml_forest(c: Cursor) -> bool:
    if c.peek().text != "(":
        return False
    c.next()
    _labelled(c)
    return True


def _xml(c: Cursor) -> bool:
    """Read XMLEXISTS, XMLPARSE, XMLPI, XMLROOT and XMLSERIALIZE."""
    if c.peek().text != "(":
        return False
    form = c.next().text
    c.expect_sign("(")
    if form == "xmlpi":
        c.expect("name")
        c.label()
        if c.take_sign(","):
            ex.expression(c)
    elif form == "xmlexists":
        _passing(c)
    elif form == "xmlroot":
        _root(c)
    else:
        if not c.take_any("document", "content"):
            raise c.unreadable("expected DOCUMENT or CONTENT")
        ex.expression(c)
        if form == "xmlserialize":
            c.expect("as")
            type_name(c)
        elif c.take_any("preserve", "strip"):
            c.expect("whitespace")
    c.expect_sign(")")
    return True


def _passing(c: Cursor) -> None:
    ex.expression(c)
    c.expect("passing")
    c.take("by ref")
    ex.expression(c)
    c.take("by ref")


def _root(c: Cursor) -> None:
    ex.expression(c)
    c.expect_sign(",")
    c.expect("version")
    if not c.take("no value"):
        ex.expression(c)
    if c.take_sign(","):
        c.expect("standalone")
        if not c.take("no value") and not c.take_any("yes", "no"):
            raise c.unreadable("expected YES, NO or NO VALUE")


def _newer(version: int) -> Callable[[Cursor], bool]:
    def read(c: Cursor) -> bool:
        if c.peek().text != "(" and c.token.text != "system_user":
            return False
        token = c.next()
        c.refuse("M072", f"{token.text.upper()} needs PostgreSQL {version}; 15 and newer are supported", token.start)
        if c.at_sign("("):
            _skip_parens(c)
        return True

    return read


def _skip_parens(c: Cursor) -> None:
    """Skip ``( … )`` whose syntax is of no interest."""
    depth = 0
    while not c.done:
        depth += c.at_sign("(") - c.at_sign(")")
        c.next()
        if not depth:
            return


SPECIAL: dict[str, Callable[[Cursor], bool]] = {
    "case": _case, "cast": _cast_call, "treat": _cast_call, "array": _array, "exists": _exists,
    **dict.fromkeys(("true", "false", "null", "current_catalog", "current_role", "current_user", "session_user", "user",
        "current_date", "default"), _constant),
    "current_schema": lambda c: c.peek().text != "(" and _constant(c),
    **dict.fromkeys(("current_time", "current_timestamp", "localtime", "localtimestamp"), _moment),
    **dict.fromkeys(("coalesce", "greatest", "least", "nullif", "grouping", "xmlconcat"), _list),
    "extract": _extract, "position": _position, "trim": _trim, "normalize": _normalize, "collation": _collation_for,
    "overlay": _parts("placing from for", "placing from"),
    "substring": _parts("from for", "for from", "from", "for", "similar escape"),
    "xmlelement": _xml_element, "xmlforest": _xml_forest,
    **dict.fromkeys(("xmlexists", "xmlparse", "xmlpi", "xmlroot", "xmlserialize"), _xml),
    **dict.fromkeys(("json_array", "json_arrayagg", "json_objectagg", "system_user"), _newer(16)),
    **dict.fromkeys(("json_exists", "json_query", "json_scalar", "json_serialize", "json_value", "merge_action"),
        _newer(17)),
}  # fmt: skip
"""Words that begin an operand of a form of its own; a reader returns False where the word is a name after all."""
