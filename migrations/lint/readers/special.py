"""Reads the operands that have a syntax of their own: CASE, CAST, ARRAY, EXTRACT, TRIM, the XML functions."""

from __future__ import annotations

from collections.abc import Callable

from migrations.lint.builtin_types import REG_TYPES
from migrations.lint.cursor import Cursor
from migrations.lint.facts import NamesSequence
from migrations.lint.lexer import DOLLAR, ESCAPED, NUMBER, QUOTED, STRING, WORD
from migrations.lint.readers import call, query
from migrations.lint.readers import expression as ex
from migrations.lint.readers.types import type_name

_LITERALS = frozenset({STRING, DOLLAR, ESCAPED})


def _form(inner: Callable[[Cursor], object]) -> Callable[[Cursor], bool]:
    """Make the reader of ``word( … )``; where no parenthesis follows, the word is a name."""

    def read(c: Cursor) -> bool:
        if c.peek().text != "(":
            return False
        c.next()
        c.enclosed(inner)
        return True

    return read


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


def _cast(c: Cursor) -> None:
    """Read ``value AS type``."""
    literal = c.token
    ex.expression(c)
    alone, end = c.previous is literal, c.index
    c.expect("as")
    kind = type_name(c).last
    if kind != "record":
        c.forget_row(end)
    if alone and literal.kind in _LITERALS and kind in REG_TYPES:
        c.add(NamesSequence(literal.start, kind, call.name_in_literal(literal)))


def _array(c: Cursor) -> bool:
    c.next()
    if c.at_sign("("):
        c.enclosed(query.query)
    else:
        _elements(c)
    return True


def _elements(c: Cursor) -> None:
    """Read ``[a, b]`` and ``[[a], [b]]``."""
    c.expect_sign("[")
    if not c.at_sign("]"):
        c.listed(_elements if c.at_sign("[") else ex.expression)
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
    if c.at_sign("("):
        c.enclosed(_precision)
    return True


def _precision(c: Cursor) -> None:
    if c.token.kind != NUMBER:
        raise c.unreadable("expected a number")
    c.next()


def _values(c: Cursor) -> None:
    ex.expressions(c)  # the module, which imports this one, is not complete when the table below is made


def _two(c: Cursor) -> None:
    ex.expression(c)
    c.expect_sign(",")
    ex.expression(c)


def _extract(c: Cursor) -> None:
    if c.token.kind not in (WORD, QUOTED, STRING):
        raise c.unreadable("expected a field")
    c.next()
    c.expect("from")
    ex.expression(c)


def _parts(*forms: str) -> Callable[[Cursor], bool]:
    """Make the reader of ``f(a WORD b WORD c)``, which may also be called with a plain list."""
    words = tuple({word for form in forms for word in form.split()})

    def read(c: Cursor) -> None:
        call.argument(c)
        if c.take_sign(","):
            c.listed(call.argument)
            return
        taken = []
        while word := c.take_any(*words):
            taken.append(word)
            ex.expression(c)
        if taken and " ".join(taken) not in forms:
            raise c.unreadable(f"expected {forms[0].upper()} in this order")

    return _form(read)


def _position(c: Cursor) -> None:
    ex.simple_expression(c)
    c.expect("in")
    ex.simple_expression(c)


def _trim(c: Cursor) -> None:
    c.take_any("both", "leading", "trailing")
    if not c.take("from"):
        ex.expression(c)
        if c.take("from"):
            ex.expressions(c)
    else:
        ex.expressions(c)
    if c.take_sign(","):
        ex.expressions(c)


def _normalize(c: Cursor) -> None:
    ex.expression(c)
    if c.take_sign(",") and not c.take_any("nfc", "nfd", "nfkc", "nfkd"):
        raise c.unreadable("expected NFC, NFD, NFKC or NFKD")


def _collation_for(c: Cursor) -> bool:
    if not c.take("collation for"):
        return False
    ex.in_parens(c)
    return True


def _xml_element(c: Cursor) -> None:
    c.expect("name")
    c.label()
    while c.take_sign(","):
        if c.at_word("xmlattributes") and c.peek().text == "(":
            c.next()
            c.enclosed(labelled)
        else:
            ex.expression(c)


def labelled(c: Cursor) -> None:
    """Read ``value [AS label], …``."""

    def item(c: Cursor) -> None:
        ex.expression(c)
        if c.take("as"):
            c.label()

    c.listed(item)


def _xml_pi(c: Cursor) -> None:
    c.expect("name")
    c.label()
    if c.take_sign(","):
        ex.expression(c)


def _xml_parse(c: Cursor) -> None:
    _xml_content(c)
    if c.take_any("preserve", "strip"):
        c.expect("whitespace")


def _xml_serialize(c: Cursor) -> None:
    _xml_content(c)
    c.expect("as")
    type_name(c)


def _xml_content(c: Cursor) -> None:
    if not c.take_any("document", "content"):
        raise c.unreadable("expected DOCUMENT or CONTENT")
    ex.expression(c)


def passing(c: Cursor) -> None:
    """Read ``path PASSING [BY REF] document [BY REF]``."""
    ex.expression(c)
    c.expect("passing")
    c.take("by ref")
    ex.expression(c)
    c.take("by ref")


def _xml_root(c: Cursor) -> None:
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
            skip_parens(c)
        return True

    return read


def skip_parens(c: Cursor) -> None:
    """Skip ``( … )`` whose syntax is of no interest."""
    depth = 0
    while not c.done:
        depth += c.at_sign("(") - c.at_sign(")")
        c.next()
        if not depth:
            return


SPECIAL: dict[str, Callable[[Cursor], bool]] = {
    "case": _case, "cast": _form(_cast), "treat": _form(_cast), "array": _array, "exists": _exists,
    **dict.fromkeys(("true", "false", "null", "current_catalog", "current_role", "current_user", "session_user", "user",
        "current_date", "default"), _constant),
    "current_schema": lambda c: c.peek().text != "(" and _constant(c),
    **dict.fromkeys(("current_time", "current_timestamp", "localtime", "localtimestamp"), _moment),
    **dict.fromkeys(("coalesce", "greatest", "least", "grouping", "xmlconcat"), _form(_values)),
    "nullif": _form(_two), "extract": _form(_extract), "position": _form(_position), "trim": _form(_trim),
    "normalize": _form(_normalize), "collation": _collation_for,
    "overlay": _parts("placing from for", "placing from"),
    "substring": _parts("from for", "for from", "from", "for", "similar escape"),
    "xmlelement": _form(_xml_element), "xmlforest": _form(labelled), "xmlexists": _form(passing),
    "xmlparse": _form(_xml_parse), "xmlpi": _form(_xml_pi), "xmlroot": _form(_xml_root),
    "xmlserialize": _form(_xml_serialize),
    **dict.fromkeys(("json_array", "json_arrayagg", "json_objectagg", "system_user"), _newer(16)),
    **dict.fromkeys(("json_exists", "json_query", "json_scalar", "json_serialize", "json_value", "merge_action"),
        _newer(17)),
}  # fmt: skip
"""Words that begin an operand of a form of its own; a reader returns False where the word is a name after all."""
