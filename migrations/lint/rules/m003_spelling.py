"""M003: a name must look the same to a reader and to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Creates, CreatesIndexName, Renames
from migrations.lint.lexer import QUOTED, WORD, Token
from migrations.lint.names import MAX_NAME_BYTES, Name, is_clean
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report names that are long, not ASCII, or (for objects) not in lower case."""
    for token in context.statement.tokens:
        if token.kind in (WORD, QUOTED) and (hit := _token(token)):
            yield hit
    for name in _made(context):
        if (
            not is_clean(name.last)
            and len(name.last.encode(errors="replace")) <= MAX_NAME_BYTES
            and name.last.isprintable()
        ):
            folded = name.last.lower()
            yield Hit(name.at, f'identifier "{name.last}" is not {folded} to PostgreSQL; use lower case a-z, 0-9, _')


def _token(token: Token) -> Hit | None:
    if len(token.text.encode(errors="replace")) > MAX_NAME_BYTES:
        return Hit(
            token.start, f'identifier "{token.text[:70]}" has more than {MAX_NAME_BYTES} bytes; PostgreSQL would cut it'
        )
    if token.kind == WORD and not token.text.isascii() and token.text.isprintable():
        return Hit(token.start, f'identifier "{token.text}" has letters outside ASCII; use lower case a-z, 0-9, _')
    return None


def _made(context: Context) -> Iterator[Name]:
    made: list[Creates | CreatesIndexName] = [*context.all(Creates), *context.all(CreatesIndexName)]
    for fact in made:
        yield fact.name
    for renamed in context.all(Renames):
        yield renamed.new


RULE = Rule(
    id="M003",
    title="Misleading spelling of a name",
    what=(
        'Escaped identifiers (`U&"…"`), non-ASCII names, upper case in the quoted name of an object, names '
        "over 63 bytes."
    ),
    why=(
        "PostgreSQL folds unquoted names and keeps quoted ones, cuts long names silently and decodes escapes: "
        "what the reader of a migration sees is then not what is made, and two long names may be one."
    ),
    instead="Use lower case a-z, 0-9 and _, at most 63 characters.",
    bad='CREATE TABLE "P_AUDIT__X" (id int);',
    good="CREATE TABLE p_audit__x (id int);",
    check=check,
    applies="both",
)
