"""Names the statements that a migration never holds, and the rule that says why."""

from __future__ import annotations

import re

from migrations.lint.cursor import Cursor

MILLISECONDS = {
    "lock_timeout": 5_000,
    "statement_timeout": 600_000,
    "idle_in_transaction_session_timeout": 60_000,
}
"""The longest that each setting may be set to; the migrator begins every migration with these."""

_VALUE = re.compile(r"[ \t]*(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[ \t]*(?P<unit>us|ms|s|min|h|d)?[ \t]*")
_UNITS = {"us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

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

OPERATORS_KINDS = tuple(
    "event trigger|foreign data wrapper|foreign table|user mapping|access method|default privileges|text search"
    "|operator class|operator family|large object|trusted language|trusted procedural language|procedural language"
    "|extension|schema|role|user|group|database|tablespace|publication|subscription|server|cast|operator|collation"
    "|rule|language|conversion|transform|owned".split("|")
)
"""Kinds of objects that only the operator makes, alters and drops."""

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
    c.skip_all()
    return form


def _sets_timeout(c: Cursor) -> bool:
    """Whether this is ``SET LOCAL lock_timeout = …`` or another timeout, with one value; refuse a longer one."""
    name, value = c.peek(2), c.peek(3 + 1)
    if not (
        c.at_words("set local")
        and name.text in MILLISECONDS
        and c.peek(3).text in ("=", "to")
        and value.kind in ("string", "number", "word")
        and c.peek(5).kind == "end"
    ):
        return False
    fault = _timeout_fault(name.text, value.text)
    if fault is not None:
        c.refuse("M050", fault, value.start)
    return True


def _timeout_fault(setting: str, value: str) -> str | None:
    """Return the fault of a setting's value, or None."""
    found = _VALUE.fullmatch(value)
    if found is None:
        return f"SET LOCAL {setting}: {value[:40]} is no number of milliseconds, and no number with a unit"
    milliseconds = round(float(found["number"]) * _UNITS[found["unit"] or "ms"])
    if milliseconds == 0:
        return f"SET LOCAL {setting} = 0 waits for ever; at most {MILLISECONDS[setting]} ms are allowed"
    if milliseconds > MILLISECONDS[setting]:
        return f"SET LOCAL {setting} may only shorten the server's {MILLISECONDS[setting]} ms"
    return None


def operators_kind(c: Cursor, verb: str) -> bool:
    """Refuse CREATE, ALTER, DROP or COMMENT ON something of the operator's."""
    for kind in OPERATORS_KINDS:
        if c.at_words(kind):
            c.refuse("M060", _MESSAGES["M060"].format(f"{verb} {kind.upper()}"))
            c.skip_all()
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
