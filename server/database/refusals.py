"""Maps errors of the driver to errors of the server, and decides whether the connection can still be used."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolTimeout

from core.errors import (
    AlreadyExists,
    Collision,
    FlovynError,
    InvalidInput,
    NotFound,
    StartupError,
    Unavailable,
)


class StatementTimedOut(Unavailable):
    """A statement exceeded its time limit."""


READ_ONLY = "the database takes no writes at the moment: it is a standby or set to read-only; try again later"

_OTHER_SESSION = (
    "the database cannot serve this call: a pooler exchanges the sessions of the server's connections"
    " (see database.pooler)"
)

_NOT_NOW = "the database cannot serve this call at the moment; try again later"

_OF_PLUGINS = "p_"
"""The prefix of the tables of plugins; no table of the core has it (``core.migration.table_prefix``)."""

_OF_TENANT = "_tenant_id_fkey"
"""The suffix that PostgreSQL gives to the name of a foreign key of ``tenant_id`` alone."""

_BAD_INPUT = {
    "22001": "a text is longer than its column allows",
    "22003": "a number is outside the range that the database can store",
    "22007": "a timestamp is malformed",
    "22008": "a timestamp is outside the range that the database can store",
    "22009": "a time zone is outside the range that the database can store",
    "22015": "a duration is outside the range that the database can store",
    "22021": "a text holds bytes that are not valid text",
    "22P02": "a value is malformed",
    "22P03": "a value is malformed",
    "22P05": "a text holds a character that the database cannot store",
}
"""Messages for errors that a value of a caller causes, by SQLSTATE.

PostgreSQL's own messages quote values, and those of other callers of the batch, too.
"""

_OF_THE_SERVER = ("08", "53", "57", "58", "F0", "XX")
"""Classes of SQLSTATE: lost connection, insufficient resources, operator intervention, system and internal errors."""

_OF_ANOTHER_SESSION = ("26000", "42P05")
"""A prepared statement is missing or there already: the session is not the one that the connection began with."""

_ENDED_BY_A_TIMEOUT = ("25P03", "25P04")
"""PostgreSQL ended a transaction and its connection, because the transaction took or idled for too long."""

_STANDBY_IN_THE_WAY = "recovery"
"""In the message of a 40001 or 40P01 of a standby, but not in that of a conflict between transactions."""


def takes_no_writes(error: psycopg.Error) -> bool:
    """Return whether a write was refused because the session, the database or the server is read-only."""
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


def concerns_connection(error: psycopg.Error) -> bool:
    """Return whether the error is about the PostgreSQL server behind the connection, and not about the statement.

    Such a connection may lead to a server that shuts down or is no longer the primary. A new connection may not.
    """
    state = error.sqlstate
    if isinstance(error, psycopg.errors.QueryCanceled):  # 57014: our own statement_timeout
        return False
    if state is None:
        return isinstance(error, psycopg.OperationalError) and not isinstance(error, PoolTimeout)
    if takes_no_writes(error) or _is_in_the_way(error) or state in (*_ENDED_BY_A_TIMEOUT, *_OF_ANOTHER_SESSION):
        return True
    return state[:2] in _OF_THE_SERVER


def _is_in_the_way(error: psycopg.Error) -> bool:
    """Return whether a standby ended a statement, because it stood in the way of its replay."""
    state, message = error.sqlstate or "", error.diag.message_primary or ""
    return state.startswith("40") and _STANDBY_IN_THE_WAY in message


def as_server_error(error: psycopg.Error) -> FlovynError:
    """Return the error of the server for an error of the driver, without PostgreSQL's DETAIL, which quotes rows."""
    reason = error.diag.message_primary or type(error).__name__
    match error:
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
            return StartupError(f"the database is not up to date ({reason}); run 'flovyn-server migrate'")
        case psycopg.errors.InsufficientPrivilege():
            return StartupError(f"the role in DATABASE_URL lacks a privilege: {reason}")
        case psycopg.IntegrityError():
            return _constraint_violation(error, reason)
        case psycopg.DataError() if error.sqlstate in _BAD_INPUT:
            return InvalidInput(_BAD_INPUT[error.sqlstate])
    return _temporary(error) or _unexpected(error, reason)


def _temporary(error: psycopg.Error) -> Unavailable | None:
    """Return the error for a failure that may pass when the call is repeated; None for other failures."""
    match error:
        case PoolTimeout():
            return Unavailable("no database connection became free in time; try again later")
        case psycopg.errors.QueryCanceled():
            return StatementTimedOut("a statement exceeded the time limit (statement_timeout); try again later")
        case psycopg.errors.ReadOnlySqlTransaction():
            return Unavailable(READ_ONLY)
        case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure() if not _is_in_the_way(error):
            return Collision("conflict with a concurrent transaction; nothing was written, retry")
    is_away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or concerns_connection(error)
    if not is_away:
        return None
    return Unavailable(_OTHER_SESSION if error.sqlstate in _OF_ANOTHER_SESSION else _NOT_NOW)


def _constraint_violation(error: psycopg.IntegrityError, reason: str) -> FlovynError:
    """Return the error for a row that a constraint refused; its meaning depends on the owner of the table."""
    constraint = error.diag.constraint_name or ""
    of_plugin = (error.diag.table_name or "").startswith(_OF_PLUGINS)
    match error:
        case psycopg.errors.ForeignKeyViolation() if constraint.endswith(_OF_TENANT):
            return NotFound("the tenant does not exist on this server; create it first")
        case psycopg.errors.UniqueViolation() | psycopg.errors.ExclusionViolation() if of_plugin:
            return AlreadyExists(f"a row with the same values exists already; the values must be unique ({constraint})")
        case psycopg.errors.CheckViolation() if of_plugin:
            return InvalidInput(f"a value violates the constraint {constraint} of its table")
        case psycopg.errors.UniqueViolation():
            return AlreadyExists("a concurrent call created a row with the same id; retry")
    return _unexpected(error, reason)


def _unexpected(error: psycopg.Error, reason: str) -> FlovynError:
    return FlovynError(f"PostgreSQL refused a statement ({error.sqlstate}): {reason}")
