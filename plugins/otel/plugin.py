"""The plugin otel: sends traces, and metrics and logs where configured, to a collector of OpenTelemetry."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.tracing import Tracer
from plugins.otel.configured import signals

if TYPE_CHECKING:  # the SDK takes its time to load, and makes objects of grpc: only configured workers import it
    from plugins.otel.exporting import Exporting

NAME = "otel"
VERSION = "0.1.0"

FLUSH_WITHIN_S = 5.0
"""The time for which the end of a process waits for the collector, in seconds."""


class OtelPlugin(Plugin):
    """Traces of calls, batches, statements, workflows and tasks over OTLP."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.0,<2"

    _exporting: Exporting | None = None

    def setup(self, services: PluginServices) -> None:
        """Store the services, and check the variables: a mistake stops the start."""
        self._services = services
        self._signals = signals(os.environ)

    async def on_startup(self) -> None:
        """Make the exporters: in a worker process, because objects of grpc do not survive a fork."""
        if self._signals:
            from plugins.otel.exporting import Exporting

            self._exporting = Exporting(self._signals, self._services)

    def tracer(self) -> Tracer | None:
        """Return the tracer; None where no traces are configured."""
        return None if self._exporting is None else self._exporting.tracer

    async def on_shutdown(self) -> None:
        """Export what waits, for at most ``FLUSH_WITHIN_S``; the thread ends with the process in any case."""
        exporting, self._exporting = self._exporting, None
        if exporting is None:
            return
        ended, loop = asyncio.Event(), asyncio.get_running_loop()

        def close() -> None:
            exporting.end()
            with suppress(RuntimeError):  # the event loop did not wait
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=close, name="otel close", daemon=True).start()
        try:
            await asyncio.wait_for(ended.wait(), FLUSH_WITHIN_S)
        except TimeoutError:
            self._services.logger.warning("the collector did not accept the last spans within %g s", FLUSH_WITHIN_S)
