"""Names the statements that a migration never holds, and the rule that says why."""

from __future__ import annotations

from migrations.lint import limits
from migrations.lint.cursor import Cursor

_DYNAMIC = "do prepare execute deallocate declare fetch move close explain call"
_SESSION = "set reset discard"
_TRANSACTION = "begin commit rollback savepoint release end abort start"
_SERVICE = "vacuum reindex cluster checkpoint lock listen notify unlisten copy load"
_OPERATOR = "grant revoke reassign security import"

_FIRST_WORDS = {
    **dict.fromkeys(_DYNAMIC.split(), "M043"),
    **dict.fromkeys(_SESSION.split(), "M050"),
    **dict.fromkeys(_TRANSACTION.split(), "M051"),
    **dict.fromkeys(_SERVICE.split(), "M052"),
    **dict.fromkeys(_OPERATOR.split(), "M060"),
}

OPERATORS_KINDS = (
    "event trigger",
    "foreign data wrapper",
    "foreign table",
    "user mapping",
    "access method",
    "default privileges",
    "text search",
    "operator class",
    "operator family",
    "large object",
    "trusted language",
    "trusted procedural language",
    "procedural language",
    "extension",
    "schema",
    "role",
    "user",
    "group",
    "database",
    "tablespace",
    "publication",
    "subscription",
    "server",
    "cast",
    "operator",
    "collation",
    "rule",
    "language",
    "conversion",
    "transform",
    "owned",
)
"""What only the operator makes, alters and drops."""

_MESSAGES = {
    "M043": "{} cannot be checked. A migration runs once, in order: write the statement itself, without the condition",
    "M050": "{} would change how later statements are understood or run",
    "M051": "the server runs each migration in its own transaction; remove {}",
    "M052": "{} is not for a migration's transaction",
    "M060": "{} belongs to the operator, not to a plugin",
}


def first_word(c: Cursor) -> str | None:
    """Refuse a statement by its first word; return its form, or None when the word may begin an allowed one."""
    rule = _FIRST_WORDS.get(c.token.text) if c.token.kind == "word" else None
    if c.at_words("prepare transaction"):
        rule = "M051"
    if rule is None:
        return None
    form = form_of(c)
    if rule != "M050" or not _sets_timeout(c):
        c.refuse(rule, _MESSAGES[rule].format(form))
    _skip(c)
    return form


def _sets_timeout(c: Cursor) -> bool:
    """Whether this is ``SET LOCAL lock_timeout = …`` or another timeout, with one value; note what is wrong with it."""
    name, value = c.peek(2), c.peek(3 + 1)
    if not (
        c.at_words("set local")
        and name.text in limits.MILLISECONDS
        and c.peek(3).text in ("=", "to")
        and value.kind in ("string", "number", "word")
        and c.peek(5).kind == "end"
    ):
        return False
    fault = limits.fault(name.text, value.text)
    if fault is not None:
        c.refuse("M050", fault, value.start)
    return True


def operators_kind(c: Cursor, verb: str) -> bool:
    """Refuse CREATE, ALTER, DROP or COMMENT ON something of the operator's."""
    for kind in OPERATORS_KINDS:
        if c.at_words(kind):
            c.refuse("M060", _MESSAGES["M060"].format(f"{verb} {kind.upper()}"))
            _skip(c)
            return True
    return False


def form_of(c: Cursor) -> str:
    """Return a statement's first words in upper case, to name it in a message."""
    words = []
    for ahead in range(3):
        token = c.peek(ahead)
        if token.kind != "word" or (ahead and token.text not in _FORM_WORDS):
            break
        words.append(token.text[:40])
    return " ".join(words).upper() or "this"


_FORM_WORDS = frozenset(
    """
    access aggregate all as column concurrently constraints data database default domain event extension foreign
    function index language local materialized mapping operator or owned policy prepared privileges procedure
    replace role row rule schema sequence session statistics system table tables temp temporary to transaction
    trigger type unique unlogged user view work
    """.split()
)


def _skip(c: Cursor) -> None:
    while not c.done:
        c.next()
