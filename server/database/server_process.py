"""The number of a server process, and the advisory lock that tells other processes that it lives.

Claims carry the number. When the lock is gone, so is the process, and work that it claimed shortly before may not have
reached its worker (``server.engine.dispatch.orphans``). The lock is shared: two processes with the same number, or an
older connection that the database has not closed yet, do not wait for one another.
"""

from __future__ import annotations

import secrets

from server.database.connecting import Connection
from server.database.exclusive import KEEP_ALIVE
from server.domain.claim import Claim

LOCK_CLASS = 1_179_406_166
"""The first of the two numbers of the advisory lock: the letters FLOV."""

HOLD = "SELECT pg_advisory_lock_shared(%s, %s)"


class ServerProcess:
    """One incarnation of a worker process of the server."""

    def __init__(self) -> None:
        self._number = secrets.randbelow(2**31 - 1) + 1
        self._is_held = False

    @property
    def number(self) -> int | None:
        """The number, while the process holds the lock; without it, others would take the process for dead."""
        return self._number if self._is_held else None

    async def hold(self, connection: Connection) -> None:
        """Lock the number over a connection that lives as long as the process does."""
        await connection.execute(KEEP_ALIVE)
        await connection.execute(HOLD, [LOCK_CLASS, self._number])
        self._is_held = True

    def lose(self) -> None:
        """Note that the connection has ended, and the lock with it."""
        self._is_held = False

    def claim(self, worker_id: str, held_by: str | None) -> Claim:
        """Return a claim for one poll."""
        return Claim(worker_id, held_by, self.number)
