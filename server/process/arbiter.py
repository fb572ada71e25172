"""gunicorn's supervisor, made to replace workers without a gap.

On reload the stock one stops the old workers while the new ones are still starting.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from gunicorn.arbiter import Arbiter as StockArbiter

from server.process.origin import origin
from server.process.worker import STOP_SIGNALS, Worker

READY_TIMEOUT_S = 30.0
_LOOK_S = 0.02


class Arbiter(StockArbiter):
    """Blocks stop signals over the fork, and waits for new workers before it stops old ones."""

    _has_served = False

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        # A binary upgrade (USR2) must run the file that was started, as it is then. The interpreter that runs this
        # process lies in an unpacked copy of the old file, which may be gone by then; so may the PEX itself, where an
        # edition carries its interpreter.
        if file := origin():
            self.START_CTX.update({0: file, "args": [file, *sys.argv[1:]]})

    def spawn_worker(self) -> int:
        """Fork a worker; a stop signal that arrives before its loop runs waits instead of being lost."""
        self._note_served()
        self.worker_class.is_replacement = self._has_served
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid: int = super().spawn_worker()
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def manage_workers(self) -> None:
        """Before surplus workers are stopped, let the youngest be ready."""
        self._note_served()
        if len(self.WORKERS) > self.num_workers:
            deadline = time.monotonic() + READY_TIMEOUT_S
            while len(self.WORKERS) > self.num_workers and not self._young_are_ready() and time.monotonic() < deadline:
                self.reap_workers()
                time.sleep(_LOOK_S)
        super().manage_workers()

    def _note_served(self) -> None:
        """Remember that the server has served: from then on, a worker that cannot start must not stop it."""
        self._has_served = self._has_served or any(map(_has_beaten, self.WORKERS.values()))

    def _young_are_ready(self) -> bool:
        """Whether the newest workers have all beaten once, which they do when they serve."""
        young = sorted(self.WORKERS.values(), key=lambda worker: worker.age)[-self.num_workers :]
        return all(map(_has_beaten, young))


def _has_beaten(worker: Worker) -> bool:
    """Whether the worker serves: until its first beat, its file bears the time of the wall clock."""
    return bool(worker.tmp.last_update() <= time.monotonic())
