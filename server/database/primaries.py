"""The primary among several hosts of an address, and no other: not a standby, nor an old primary that has come back.

Each promotion of a standby begins a new timeline. So of two servers that take writes, the one with the greater timeline
is the primary, and the other one was left behind by a promotion. A process remembers the greatest timeline that it has
met, and uses no connection to a server with a smaller one, even while the primary cannot be reached.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.named_queries import named_queries
from server.database.passwords import with_password
from server.database.rows import NAMED

QUICK_S = 1.0
"""The time that the last primary has to answer before all hosts are asked, and the others after the first that did."""

ASK_EVERY_S = 10.0
"""After this time, a new connection asks all hosts again: a standby may have been promoted while its primary lives."""

_SIGHT = named_queries(__package__, "statements.sql")["sight"]
_WRITABLE = (None, "any", "read-write", "primary")
_OF_EACH_HOST = ("host", "hostaddr", "port")

C = TypeVar("C", bound="psycopg.AsyncConnection[Any]")
Open = Callable[[str], Coroutine[Any, Any, C]]
"""Opens a connection to the one host of an address."""


@dataclass(frozen=True, slots=True)
class _Sighted(Generic[C]):
    connection: C
    host: int
    timeline: int


class Primary:
    """The primary of a deployment whose address names several hosts.

    Attributes:
        timeline: the greatest timeline that this process has met; 0 before the first connection.
    """

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts
        self._at = 0
        self._asked_at = -math.inf
        self.timeline = 0

    async def connect(self, open_: Open[C]) -> C:
        """Open a connection to the primary by a function that takes the address of one host.

        Raises:
            psycopg.OperationalError: no host can be reached that is the primary.
        """
        if time.monotonic() - self._asked_at < ASK_EVERY_S:
            try:
                async with asyncio.timeout(QUICK_S):
                    return self._chosen(await self._sight(self._at, open_))
            except (psycopg.OperationalError, TimeoutError):
                pass  # all hosts are asked
        return self._chosen(await self._best(open_))

    def _chosen(self, sighted: _Sighted[C]) -> C:
        self._at, self.timeline = sighted.host, max(self.timeline, sighted.timeline)
        return sighted.connection

    async def _best(self, open_: Open[C]) -> _Sighted[C]:
        """Ask all hosts at once, and return the one with the greatest timeline."""
        self._asked_at = time.monotonic()
        asking = {asyncio.create_task(self._sight(host, open_)) for host in range(len(self._hosts))}
        left, refusals, found = set(asking), [], list[_Sighted[C]]()
        try:
            while left:
                done, left = await asyncio.wait(
                    left, timeout=QUICK_S if found else None, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                for task in done:
                    error = task.exception()
                    if isinstance(error, psycopg.OperationalError):
                        refusals.append(str(error))
                    else:
                        found.append(task.result())
        finally:
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
        if not found:
            listed = "".join(f"\n- {each}" for each in refusals)
            raise psycopg.OperationalError(f"connection failed, no host is the primary:{listed}")
        best = max(found, key=lambda each: each.timeline)
        for each in found:
            if each is not best:
                await each.connection.close()
        return best

    async def _sight(self, host: int, open_: Open[C]) -> _Sighted[C]:
        """Connect to one host.

        Raises:
            psycopg.OperationalError: it cannot be reached, or is not the primary.
        """
        connection = await open_(self._hosts[host])
        try:
            [row] = await (await connection.cursor(row_factory=NAMED).execute(_SIGHT)).fetchall()
            self._check(row)
        except BaseException:
            await connection.close()
            raise
        return _Sighted(connection, host, row.timeline)

    def _check(self, row: Any) -> None:
        if row.in_recovery:
            raise psycopg.OperationalError("server is in hot standby mode")
        if row.timeline < self.timeline:
            raise psycopg.OperationalError(
                f"the server is an old primary: its timeline is {row.timeline}, and the primary's {self.timeline}"
            )


_primaries: dict[str, Primary] = {}
"""By address: all connections of a process share its knowledge."""


def primary_of(dsn: str) -> Primary | None:
    """Return the primary of an address; None when the address names one host, or asks for a standby.

    Raises:
        psycopg.ProgrammingError: the address is malformed.
    """
    if dsn in _primaries:
        return _primaries[dsn]
    given = conninfo_to_dict(dsn)
    hosts = _hosts(given)
    if len(hosts) == 1 or given.get("target_session_attrs") not in _WRITABLE:
        return None
    common: dict[str, Any] = {
        name: value for name, value in given.items() if name not in (*_OF_EACH_HOST, "target_session_attrs")
    }
    return _primaries.setdefault(dsn, Primary([make_conninfo(**common, **each) for each in hosts]))


def forget_primaries() -> None:
    """Forget all timelines, as a new process does."""
    _primaries.clear()


def _hosts(given: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return ``host``, ``hostaddr`` and ``port`` of each host; one port may count for all of them."""
    lists = {name: str(given[name]).split(",") for name in _OF_EACH_HOST if given.get(name)}
    count = max((len(each) for each in lists.values()), default=1)
    return [{name: values[at if len(values) == count else 0] for name, values in lists.items()} for at in range(count)]


async def open_connection(
    open_: Callable[..., Coroutine[Any, Any, C]], address: str, **arguments: Any
) -> tuple[C, Primary | None]:
    """Open a connection to the primary of an address, or to its only host; return the primary, too.

    Args:
        open_: the driver's function.
        address: the address; its password may come from elsewhere.
        **arguments: the driver's arguments.

    Raises:
        psycopg.OperationalError: it cannot be reached.
    """
    primary = primary_of(address)

    async def opened(**given: Any) -> C:
        if primary is None:
            return await open_(address, **given)
        return await primary.connect(partial(open_, **given))

    return await with_password(address, opened, **arguments), primary
