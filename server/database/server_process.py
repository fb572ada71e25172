"""The number of a server process, and the advisory lock that shows other processes that it is alive.

Claims carry the number. When the lock is free, the process has died, and work that it claimed shortly before may not
have reached its worker (``server.engine.dispatch.orphans``). The lock is shared, so that nothing waits for it: neither
a second process with the same number, nor a new connection while the database has not closed the old one.
"""

from __future__ import annotations

import secrets

from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.exclusive import KEEP_ALIVE
from server.domain.claim import Claim

LOCK_CLASS = 1_179_406_166
"""The first of the two numbers of the advisory lock: the letters FLOV."""

HOLD = named_queries(__package__, "sessions.sql")["hold_process"]


class ServerProcess:
    """The identity of this process: a random number that no other process is likely to have."""

    def __init__(self) -> None:
        self._number = secrets.randbelow(2**31 - 1) + 1
        self._is_held = False

    @property
    def number(self) -> int | None:
        """The number; None while the process does not hold the lock, because others would take it for dead."""
        return self._number if self._is_held else None

    async def hold(self, connection: Connection) -> None:
        """Lock the number on a connection that lives as long as the process."""
        await connection.execute(KEEP_ALIVE)
        await connection.execute(HOLD, {"lock_class": LOCK_CLASS, "number": self._number})
        self._is_held = True

    def lose(self) -> None:
        """Record that the connection has ended, and the lock with it."""
        self._is_held = False

    def claim(self, worker_id: str, held_by: str | None) -> Claim:
        """Return a new claim for one poll, with the number of this process."""
        return Claim(worker_id, held_by, self.number)
