"""gunicorn's asgi worker, made to stop well.

The stock worker waits for HTTP connections first and runs the application's shutdown last, when the
supervisor's patience has ended; it looks for its own stop flag once a second; it sends no heartbeat
while it drains; it re-listens with a backlog of 100, and counts no connections. Pinned to gunicorn 27.0 and tested:
stop, reload, upgrade, kill, port taken (``tests/editions/test_process.py``).
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import time

from gunicorn.arbiter import Arbiter
from gunicorn.workers.gasgi import ASGIWorker

from server.config.descriptors import share
from server.process.acceptor import Acceptor
from server.process.connections import Connection, Connections

_log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

_HEARTBEAT_S = 1.0
_REPLACEMENT_PAUSE_S = 1.0
_END_BEFORE_KILL_S = 2
"""A worker gives up this much earlier than the supervisor's SIGKILL."""


class Worker(ASGIWorker):
    """Drains gRPC the moment the stop signal comes, and beats until it is done."""

    is_replacement = False
    """Whether the server has served before this worker was forked; set by the supervisor."""

    _listening = False
    _connections: Connections | None = None

    def init_process(self) -> None:
        """Shorten the worker's own patience, then start as usual."""
        self.cfg.set("graceful_timeout", max(1, self.cfg.graceful_timeout - _END_BEFORE_KILL_S))
        super().init_process()

    def init_signals(self) -> None:
        """Let the loop handle signals; they were blocked over the fork (see ``Arbiter.spawn_worker``)."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def handle_exit_signal(self) -> None:
        """Begin to drain at once; the flag is looked at within a second."""
        super().handle_exit_signal()
        if self.app.application is not None:
            self.app.application.drain()

    def handle_quit_signal(self) -> None:
        """Stop on INT and QUIT as on TERM: calls in flight are answered, whatever the signal's name."""
        self.handle_exit_signal()

    def notify(self) -> None:
        """Beat; on the first beat, restore the backlog; watch for a blocked loop."""
        super().notify()
        if not self._listening:
            self._listening = True
            self._accept()
            _log.info("worker %d is serving", os.getpid())
        if self.cfg.timeout:
            faulthandler.dump_traceback_later(self.cfg.timeout * 0.8, exit=False)

    def _accept(self) -> None:
        """Restore the backlog, and accept connections ourselves: gunicorn's acceptor has none by now."""
        settings = self.app.settings
        connections = self._connections = Connections(settings.limits, share(settings).rest)
        for each in self.sockets:
            each.sock.listen(self.cfg.backlog)
            Acceptor(self.loop, each.sock, connections, lambda: Connection(self, connections)).start()

    async def _serve(self) -> None:
        """Serve; a worker that replaces another and cannot start must not stop the whole server."""
        try:
            await super()._serve()
        except SystemExit as stop:
            if stop.code == Arbiter.WORKER_BOOT_ERROR and not self.alive:
                raise SystemExit(0) from None  # it was told to stop while it was starting
            if stop.code == Arbiter.WORKER_BOOT_ERROR and self.is_replacement:
                time.sleep(_REPLACEMENT_PAUSE_S)  # noqa: ASYNC251 - nothing else runs here any more
                raise SystemExit(1) from None
            raise

    async def _shutdown(self) -> None:
        """Shut down, beating all the while."""
        beating = asyncio.ensure_future(self._beat())
        while self._connections is not None and self._connections.close_oldest_idle():
            pass
        try:
            await super()._shutdown()
        finally:
            beating.cancel()
            faulthandler.cancel_dump_traceback_later()

    async def _beat(self) -> None:
        while True:
            self.notify()
            await asyncio.sleep(_HEARTBEAT_S)
