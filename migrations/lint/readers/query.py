"""Reads queries of any depth by PostgreSQL's grammar, and notes the relations that they read, write and lock."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Locks, Reads
from migrations.lint.keywords import NOT_A_LABEL
from migrations.lint.lexer import OP, QUOTED, WORD
from migrations.lint.readers import expression as ex
from migrations.lint.readers import from_clause, modify
from migrations.lint.readers import word_operators as levels

_CHANGES = frozenset({"insert into", "merge into", "delete from"})
_SET_WORDS = frozenset({"union", "intersect", "except"})
_TAIL_WORDS = _SET_WORDS | {"order", "limit", "offset", "fetch", "for"}
_AFTER_TARGETS = _TAIL_WORDS | frozenset("from where group having window into on returning with".split())
_STRENGTHS = ("update", "no key update", "share", "key share")


def begins(c: Cursor) -> bool:
    """Whether a query comes next, and not a column that is called like one of its words."""
    token = c.token
    if token.kind != WORD:
        return False
    if token.text == "values":
        return c.peek().text == "("
    return token.text in ("select", "with", "table")


def changes_rows(c: Cursor) -> bool:
    """Whether INSERT, UPDATE, DELETE or MERGE comes next, and not a column of that name."""
    word, after = c.token.text, c.peek()
    if c.token.kind != WORD or after.kind not in (WORD, QUOTED):
        return False
    return (word == "update" and c.peek(2).text != ",") or f"{word} {after.text}" in _CHANGES


def continues(c: Cursor) -> bool:
    """Whether a query in parentheses goes on behind them."""
    return c.token.kind == WORD and c.token.text in _TAIL_WORDS


def query(c: Cursor) -> None:
    """Read a query or a data-modifying statement, with its WITH."""
    outer = len(c.common_tables)
    if c.at_word("with"):
        with_clause(c)
    if c.at_word(*modify.WORDS):
        modify.modify(c)
    else:
        select(c)
    del c.common_tables[outer:]


def with_clause(c: Cursor) -> None:
    """Read WITH and its common tables."""
    c.expect("with")
    recursive = c.take("recursive")
    c.listed(lambda c: _common_table(c, recursive=recursive))


def _common_table(c: Cursor, *, recursive: bool) -> None:
    name = c.column()
    if c.at_sign("("):
        c.words_in_parens()
    c.expect("as")
    if c.take("not"):
        c.expect("materialized")
    c.take("materialized")
    if recursive:
        c.common_tables.append(name)
    c.enclosed(query)
    c.common_tables.append(name)
    _search_and_cycle(c)


def _search_and_cycle(c: Cursor) -> None:
    if c.take("search"):
        if not c.take_any("depth", "breadth"):
            raise c.unreadable("expected DEPTH or BREADTH")
        c.expect("first by")
        c.names(c.column_name)
        c.expect("set")
        c.column()
    if c.take("cycle"):
        c.names(c.column_name)
        c.expect("set")
        c.column()
        if c.take("to"):
            ex.expression(c)
            c.expect("default")
            ex.expression(c)
        c.expect("using")
        c.column()


def select(c: Cursor) -> None:
    """Read SELECT, VALUES, TABLE and the words that join them, without a WITH."""
    start, mark, aliases = len(c.facts), len(c.references), len(c.aliases)
    _part(c)
    rest(c, start)
    c.resolve(mark, aliases)


def rest(c: Cursor, start: int | None = None) -> None:
    """Read the clauses behind a query's first part: UNION and its kin, ORDER BY, LIMIT, FOR UPDATE."""
    begin = len(c.facts) if start is None else start
    while c.take_any(*_SET_WORDS):
        c.take_any("all", "distinct")
        mark, aliases = len(c.references), len(c.aliases)
        _part(c)
        c.resolve(mark, aliases)
    if c.take("order by"):
        sort(c)
    seen: set[str] = set()
    while True:
        word = c.token.text if c.token.kind == WORD else ""
        if word == "for" and locking(c, begin):
            continue
        if word not in ("limit", "offset", "fetch"):
            return
        kind = "offset" if word == "offset" else "limit"
        if kind in seen:
            raise c.unreadable(f"a second {word.upper()}")
        seen.add(kind)
        _limit(c)


def _limit(c: Cursor) -> None:
    if c.take("fetch"):
        if not c.take_any("first", "next"):
            raise c.unreadable("expected FIRST or NEXT")
        if not c.at_word("row", "rows"):
            ex.expression(c, levels.SIGN)
        if not c.take_any("row", "rows"):
            raise c.unreadable("expected ROW or ROWS")
        if not c.take("only"):
            c.expect("with ties")
    elif c.take("limit"):
        if not c.take("all"):
            ex.expression(c)
    else:
        c.expect("offset")
        ex.expression(c)
        c.take_any("row", "rows")


def _part(c: Cursor) -> None:
    """Read one SELECT, VALUES or TABLE, or a query in parentheses."""
    if c.at_sign("("):
        if ex.group(c) != "query":
            raise c.unreadable("expected a query in front of this")
    elif c.take("select"):
        if c.take("distinct"):
            if c.take("on"):
                c.enclosed(ex.expressions)
        else:
            c.take("all")
        body(c)
    elif c.take("values"):
        values(c)
    elif c.at_word("table"):
        table_command(c)
    else:
        raise c.unreadable("expected a query")


def body(c: Cursor) -> None:
    """Read a SELECT behind its first word: the select list, and the clauses up to WINDOW."""
    targets(c)
    if c.at_word("into"):
        into(c)
    if c.take("from"):
        from_clause.from_items(c)
    if c.take("where"):
        ex.expression(c)
    if c.take("group by"):
        c.take_any("all", "distinct")
        c.listed(_group_item)
    if c.take("having"):
        ex.expression(c)
    if c.take("window"):
        c.listed(_named_window)


def _named_window(c: Cursor) -> None:
    c.column()
    c.expect("as")
    _window(c)


def targets(c: Cursor) -> None:
    """Read a select list, which may be empty."""
    if c.done or c.at_sign(")", ";") or c.at_word(*_AFTER_TARGETS):
        return
    c.listed(_target)


def _target(c: Cursor) -> None:
    """Read ``*`` or an expression with its label."""
    if c.take_sign("*"):
        return
    ex.row_item(c)
    if c.take("as") or c.token.kind == QUOTED or (c.token.kind == WORD and c.token.text not in NOT_A_LABEL):
        c.label()


def values(c: Cursor) -> None:
    """Read the rows behind VALUES."""
    c.listed(lambda c: c.enclosed(ex.expressions))


def _group_item(c: Cursor) -> None:
    if c.at_sign("(") and c.peek().text == ")":
        c.next()
        c.next()
    elif c.at_word("rollup", "cube") and c.peek().text == "(":
        c.next()
        c.enclosed(ex.expressions)
    elif c.take("grouping sets"):
        c.enclosed(lambda c: c.listed(_group_item))
    else:
        ex.expression(c)


def table_command(c: Cursor) -> None:
    """Read ``TABLE name``, short for selecting all of it."""
    c.expect("table")
    from_clause.relation(c)


def into(c: Cursor) -> None:
    """Refuse INTO, which makes a table; that of a body is taken out before its statement is read."""
    at = c.at
    c.expect("into")
    while c.take_any("temp", "temporary", "unlogged", "local", "global", "table"):
        pass
    c.refuse("M031", f'SELECT … INTO creates table "{c.name()}"', at)


def locking(c: Cursor, start: int) -> bool:
    """Read ``FOR UPDATE OF …`` if it comes next; ``start`` is the query's first fact."""
    if c.take("for read only"):
        return True
    strength = next((s for s in _STRENGTHS if c.at_words(f"for {s}")), None)
    if strength is None:
        return False
    at = c.at
    c.take(f"for {strength}")
    only = [name.last for name in c.names()] if c.take("of") else []
    reads = [fact for fact in c.facts[start:] if isinstance(fact, Reads)]
    named = [fact for fact in reads if fact.alias in only]
    if len(named) == len(only) and only:
        reads = named
    if not c.take("nowait"):
        c.take("skip locked")
    c.add(Locks(at, tuple(fact.name for fact in reads), strength.upper()))
    return True


def sort(c: Cursor) -> None:
    """Read the list behind ORDER BY."""
    c.listed(_sort_item)


def _sort_item(c: Cursor) -> None:
    ex.expression(c)
    if not c.take("using"):
        c.take_any("asc", "desc")
    elif c.at_word("operator"):
        ex.operator(c)
    elif c.token.kind == OP:
        c.next()
    else:
        raise c.unreadable("expected an operator")
    nulls(c)


def nulls(c: Cursor) -> None:
    """Read NULLS FIRST or NULLS LAST if it comes next."""
    if c.take("nulls") and not c.take_any("first", "last"):
        raise c.unreadable("expected FIRST or LAST")


def over(c: Cursor) -> None:
    """Read OVER with a window or the name of one."""
    c.expect("over")
    if c.at_sign("("):
        _window(c)
    else:
        c.word()


def _window(c: Cursor) -> None:
    """Read ``([name] [PARTITION BY …] [ORDER BY …] [frame])``."""
    c.enclosed(_window_parts)


def _window_parts(c: Cursor) -> None:
    words = ("partition", "order", "range", "rows", "groups")
    if c.token.kind == QUOTED or (c.token.kind == WORD and c.token.text not in words):
        c.word()
    if c.take("partition by"):
        ex.expressions(c)
    if c.take("order by"):
        sort(c)
    if c.take_any("range", "rows", "groups"):
        _frame(c)


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
