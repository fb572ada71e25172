"""Reads operands that begin with a name: columns, calls, typed literals; and names inside literals."""

from __future__ import annotations

from migrations.lint.builtin_types import REG_TYPES
from migrations.lint.cursor import Cursor, Reference
from migrations.lint.facts import Calls, NamesSequence, Notifies, ReadsSetting, UsesType
from migrations.lint.functions import SIZE_FUNCTIONS
from migrations.lint.keywords import COLUMNS_ONLY, FUNCTIONS_ONLY
from migrations.lint.lexer import DOLLAR, ESCAPED, PUNCT, QUOTED, STRING, WORD, Token, lex
from migrations.lint.names import Name, plugin_of
from migrations.lint.operators import is_collation
from migrations.lint.readers import expression as ex
from migrations.lint.readers import query
from migrations.lint.readers.types import interval_fields, is_builtin, type_name

_LITERALS = frozenset({STRING, DOLLAR, ESCAPED})
_MAX_PARTS = 8
_SEQUENCE_FUNCTIONS = frozenset({"nextval", "setval", "currval"})
_NOT_ROWS = frozenset(
    "to_json to_jsonb row_to_json json_agg jsonb_agg json_agg_strict jsonb_agg_strict count hstore num_nulls"
    " num_nonnulls pg_typeof pg_column_size hash_record json_build_object jsonb_build_object json_build_array"
    " jsonb_build_array json_object_agg jsonb_object_agg format concat concat_ws".split()
)
"""Functions whose result is no row, also where an argument is one."""

_TYPE_WORDS = frozenset(
    "bigint bit boolean char character dec decimal double float int integer interval national nchar numeric real"
    " smallint time timestamp varchar".split()
)


def named(c: Cursor) -> None:
    """Read a column, a call, or a literal with its type in front."""
    token = c.token
    if token.kind == WORD and token.text in _TYPE_WORDS and _typed(c):
        return
    at, start = c.at, c.index
    parts, star = _dotted(c)
    plain = token.kind == WORD and len(parts) == 1
    after = c.token
    if after.kind == PUNCT and after.text == "(" and not star:
        if plain and token.text in COLUMNS_ONLY:
            raise c.unreadable(f"{token.text.upper()} is a word of SQL and no function")
        _call(c, Name(tuple(parts), at))
        return
    if after.kind in _LITERALS and not star and not (plain and token.text in COLUMNS_ONLY):
        _typed_literal(c, Name(tuple(parts), at))
        return
    if plain and token.text in FUNCTIONS_ONLY:
        c.index = start
        raise c.unreadable("expected an expression")
    if len(parts) > 1 and parts[-1].startswith("p_") and plugin_of(parts[-1]) is not None:
        c.add(Calls(at, Name((parts[-1],), at)))  # t.p_x__f means p_x__f(t)
    c.references.append(Reference(at, (*parts, "*") if star else tuple(parts), c.index))
    if not star and c.at_sign(".", "["):
        ex.indirection(c)


def _dotted(c: Cursor) -> tuple[list[str], bool]:
    """Read ``a.b.c`` or ``a.b.*``, and return the names and whether the star is there."""
    parts = [c.next().text]
    while c.take_sign("."):
        if c.take_sign("*"):
            return parts, True
        if c.token.kind not in (WORD, QUOTED):
            raise c.unreadable("expected a name")
        parts.append(c.label())
    return parts, False


def _typed(c: Cursor) -> bool:
    """Read ``interval '1' year``, ``time (3) with time zone '…'``, ``int '5'``; a column may have such a name, too."""
    start, facts = c.index, len(c.facts)
    after = c.peek()
    if after.kind not in _LITERALS and after.text not in ("(", "precision", "varying", "with", "without", "char"):
        return False
    name = type_name(c)
    if c.token.kind not in _LITERALS:
        if after.text in ("with", "without"):
            c.index = start
            del c.facts[facts:]
            return False
        raise c.unreadable("expected a literal")
    c.next()
    if name.last == "interval":
        interval_fields(c)
    return True


def _typed_literal(c: Cursor, name: Name) -> None:
    literal = c.next()
    if name.last in REG_TYPES:
        c.add(NamesSequence(literal.start, name.last, name_in_literal(literal)))
    elif not is_builtin(name):
        c.add(UsesType(name.at, name))


def _call(c: Cursor, name: Name) -> None:
    own_schema = name.parts[:-1] in ((), ("pg_catalog",))
    index = len(c.facts)
    c.add(_channel(c) if own_schema and name.last == "pg_notify" else Calls(name.at, name))
    if own_schema and (name.last in _SEQUENCE_FUNCTIONS or name.last in SIZE_FUNCTIONS):
        _sequence_argument(c, name.last)
    elif own_schema and name.last == "current_setting":
        literal = c.peek()
        alone = literal.kind == STRING and c.peek(2).text in (",", ")")
        c.add(ReadsSetting(literal.start, literal.text if alone else None))
    mark, start = len(c.references), len(c.facts)
    count = arguments(c)
    called = c.facts[index]
    if isinstance(called, Calls):
        c.facts[index] = called._replace(arguments=count)
    if name.last in _NOT_ROWS:
        c.forget_rows(mark, start)
    if not c.windowless:
        _aggregated(c)


def _aggregated(c: Cursor) -> None:
    """Read WITHIN GROUP, FILTER and OVER."""

    def ordered(c: Cursor) -> None:
        c.expect("order by")
        query.sort(c)

    def filtered(c: Cursor) -> None:
        c.expect("where")
        ex.expression(c)

    if c.take("within group"):
        c.enclosed(ordered)
    if c.at_word("filter") and c.peek().text == "(":
        c.next()
        c.enclosed(filtered)
    if c.at_word("over") and (c.peek().text == "(" or c.peek().kind in (WORD, QUOTED)):
        query.over(c)


def arguments(c: Cursor) -> int:
    """Read ``(*)`` or ``([ALL | DISTINCT] [name =>] value, … [VARIADIC value] [ORDER BY …])``; return their number."""
    c.expect_sign("(")
    count = 0
    if not c.take_sign("*") and not c.at_sign(")"):
        c.take_any("all", "distinct")
        while True:
            last = c.take("variadic")
            argument(c)
            count += 1
            if last or not c.take_sign(","):
                break
        if c.take("order by"):
            query.sort(c)
    c.expect_sign(")")
    return count


def argument(c: Cursor) -> None:
    """Read one argument, by its name or by its place."""
    if c.token.kind in (WORD, QUOTED) and c.peek().text in ("=>", ":="):
        c.next()
        c.next()
    ex.expression(c)


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


def _channel(c: Cursor) -> Notifies:
    """Return the channel of ``pg_notify`` as far as it is certain: a literal, or one that something is appended to."""
    literal, after = c.peek(), c.peek(2)
    known = literal.kind == STRING and after.text in (",", "||")
    return Notifies(literal.start, literal.text if known else None, whole=after.text == ",")


def collation(c: Cursor) -> None:
    """Read the name after COLLATE."""
    name = c.name()
    if name.parts[:-1] not in ((), ("pg_catalog",)):
        c.refuse("M002", f"collation {name}: only the default schemas' objects may be named", name.at)
    elif not is_collation(name.last):
        c.refuse("M034", f'collation "{name}" is not built in', name.at)


def name_in_literal(literal: Token) -> Name | None:
    """Return the name that a literal spells, or None where it spells none or is not a plain literal.

    ``nextval('p_x__seq')`` names an object as surely as FROM does.
    """
    if literal.kind not in (STRING, DOLLAR):
        return None
    read = lex(literal.text, _MAX_PARTS)
    parts, dots = read.tokens[::2], read.tokens[1::2]
    if read.problems or read.comments or len(parts) != len(dots) + 1:
        return None
    if any(part.kind not in (WORD, QUOTED) for part in parts) or any(dot.text != "." for dot in dots):
        return None
    return Name(tuple(part.text for part in parts), literal.start)
