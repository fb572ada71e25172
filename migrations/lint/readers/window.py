"""Reads ORDER BY lists and windows."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.lexer import OP, QUOTED, WORD
from migrations.lint.readers import expression as ex


def sort(c: Cursor) -> None:
    """Read the list behind ORDER BY."""
    while True:
        ex.expression(c)
        if c.take("using"):
            _sort_operator(c)
        else:
            c.take_any("asc", "desc")
        nulls(c)
        if not c.take_sign(","):
            return


def _sort_operator(c: Cursor) -> None:
    if c.at_word("operator"):
        ex.operator(c)
    elif c.token.kind == OP:
        c.next()
    else:
        raise c.unreadable("expected an operator")


def nulls(c: Cursor) -> None:
    """Take NULLS FIRST or NULLS LAST."""
    if c.take("nulls") and not c.take_any("first", "last"):
        raise c.unreadable("expected FIRST or LAST")


def over(c: Cursor) -> None:
    """Read OVER with a window or the name of one."""
    c.expect("over")
    if c.at_sign("("):
        specification(c)
    else:
        c.word()


def specification(c: Cursor) -> None:
    """Read ``([name] [PARTITION BY …] [ORDER BY …] [frame])``."""
    c.expect_sign("(")
    words = ("partition", "order", "range", "rows", "groups")
    if c.token.kind == QUOTED or (c.token.kind == WORD and c.token.text not in words):
        c.word()
    if c.take("partition by"):
        ex.expressions(c)
    if c.take("order by"):
        sort(c)
    if c.take_any("range", "rows", "groups"):
        _frame(c)
    c.expect_sign(")")


def _frame(c: Cursor) -> None:
    if c.take("between"):
        _bound(c)
        c.expect("and")
    _bound(c)
    if c.take("exclude") and not any(c.take(what) for what in ("current row", "group", "ties", "no others")):
        raise c.unreadable("expected CURRENT ROW, GROUP, TIES or NO OTHERS")


def _bound(c: Cursor) -> None:
    if c.take("current row"):
        return
    if not c.take("unbounded"):
        ex.expression(c, 3)  # AND ends it: in BETWEEN … AND … it stands between the bounds
    if not c.take_any("preceding", "following"):
        raise c.unreadable("expected PRECEDING or FOLLOWING")
