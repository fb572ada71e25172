"""The driver's errors as errors of this server, and what they say about the connection on which they came."""

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

READ_ONLY = "the database takes no writes at the moment: it may be a standby, or set to read-only; try again"

_NOT_NOW = "the database cannot serve this call at the moment; try again"

_OF_PLUGINS = "p_"
"""How the names of plugins' tables begin, and of no table of the core (``core.migration.table_prefix``)."""

_OF_TENANT = "_tenant_id_fkey"
"""How PostgreSQL ends the names of foreign keys of ``tenant_id`` alone."""

_BAD_INPUT = {
    "22001": "a text is longer than its column takes",
    "22003": "a number is outside the range that the database can store",
    "22007": "a point in time is malformed",
    "22008": "a point in time is outside the range that the database can store",
    "22009": "a time zone is outside the range that the database can store",
    "22015": "a duration is outside the range that the database can store",
    "22021": "a text holds bytes that are not text",
    "22P02": "a value is malformed",
    "22P03": "a value is malformed",
    "22P05": "a text holds a character that the database cannot store",
}
"""What a caller's value can cause, by SQLSTATE. PostgreSQL's own texts quote values, and those of other callers too."""

_OF_THE_SERVER = ("08", "53", "57", "58", "F0", "XX")
"""Classes of SQLSTATE: lost connection, insufficient resources, operator intervention, system and internal errors."""

_ENDED_BY_A_TIMEOUT = ("25P03", "25P04")
"""PostgreSQL ended a transaction, and the connection with it, because it took or idled for too long."""

_STANDBY_IN_THE_WAY = "recovery"
"""In the text of a 40001 or 40P01 of a standby; a transaction that only collided says nothing of it."""


def takes_no_writes(error: psycopg.Error) -> bool:
    """Whether the database refused a write because the session, the database or the whole server is read-only."""
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


def concerns_connection(error: psycopg.Error) -> bool:
    """Whether the error is about the server behind the connection, and not about the statement.

    Such a connection may lead to a server that is going away, or that is no longer the primary: a new one may not.
    """
    state = error.sqlstate
    if isinstance(error, psycopg.errors.QueryCanceled):  # 57014: our own statement_timeout
        return False
    if state is None:
        return isinstance(error, psycopg.OperationalError) and not isinstance(error, PoolTimeout)
    in_the_way = state.startswith("40") and _STANDBY_IN_THE_WAY in (error.diag.message_primary or "")
    return takes_no_writes(error) or in_the_way or state in _ENDED_BY_A_TIMEOUT or state[:2] in _OF_THE_SERVER


def worded(error: psycopg.Error) -> FlovynError:
    """Return the driver's error as ours. PostgreSQL's DETAIL, which quotes rows, is left out."""
    reason = error.diag.message_primary or type(error).__name__
    match error:
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
            return StartupError(f"the database is not up to date ({reason}); run 'flovyn-server migrate'")
        case psycopg.errors.InsufficientPrivilege():
            return StartupError(f"the role in DATABASE_URL lacks a right: {reason}")
        case psycopg.IntegrityError():
            return _of_a_rule(error, reason)
        case psycopg.DataError() if error.sqlstate in _BAD_INPUT:
            return InvalidInput(_BAD_INPUT[error.sqlstate])
    return _of_the_moment(error) or _unexpected(error, reason)


def _of_the_moment(error: psycopg.Error) -> Unavailable | None:
    """Return the error for what may go well when it is tried again."""
    match error:
        case PoolTimeout():
            return Unavailable("the database has no free connection at the moment; try again")
        case psycopg.errors.QueryCanceled():
            return Unavailable("the database took too long for this call and was stopped; try again")
        case psycopg.errors.ReadOnlySqlTransaction():
            return Unavailable(READ_ONLY)
        case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
            return Collision("this call and another one got into each other's way; nothing was written, try again")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Unavailable(_NOT_NOW)
    return Unavailable(_NOT_NOW) if concerns_connection(error) else None


def _of_a_rule(error: psycopg.IntegrityError, reason: str) -> FlovynError:
    """Return the error for a row that a constraint refused: what that means depends on whose table it is."""
    constraint = error.diag.constraint_name or ""
    of_plugin = (error.diag.table_name or "").startswith(_OF_PLUGINS)
    match error:
        case psycopg.errors.ForeignKeyViolation() if constraint.endswith(_OF_TENANT):
            return NotFound("the tenant does not exist on this server; create it first")
        case psycopg.errors.UniqueViolation() | psycopg.errors.ExclusionViolation() if of_plugin:
            return AlreadyExists(
                f"something with the same values exists already; they have to be unique ({constraint})"
            )
        case psycopg.errors.CheckViolation() if of_plugin:
            return InvalidInput(f"a value breaks the rule {constraint} of its table")
        case psycopg.errors.UniqueViolation():
            return AlreadyExists("something with this id was created by another call at the same moment; try again")
    return _unexpected(error, reason)


def _unexpected(error: psycopg.Error, reason: str) -> FlovynError:
    return FlovynError(f"PostgreSQL refused a statement ({error.sqlstate}): {reason}")
