"""Numbers of a worker process: processor time, memory, open files, and the lag of the event loop."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from core.metrics import DURATION_BUCKETS
from server.observability.metrics import MetricsRegistry

TICK_S = 0.25
"""The time between two measurements of the lag of the event loop, in seconds."""

TICKS = 4
"""The number of ticks between two samples of the gauges."""

SLOW_TICKS = 40
"""The number of ticks between two looks at the operating system: to count open files costs most."""

_PAGE = resource.getpagesize()
_FOLDERS = {"cache": str(Path(__file__).parent), "temporary": tempfile.gettempdir()}
"""The folders whose disks are measured: that of the unpacked edition, and that of the metrics."""


class ProcessMeter:
    """A service that samples the process and calls ``samples``; see ``core.service.Service``."""

    name = "process meter"

    def __init__(self, metrics: MetricsRegistry, samples: Sequence[Callable[[], None]]) -> None:
        own, process = metrics.server, metrics.process
        self._samples = samples
        self._lag = own.histogram(
            "event_loop_lag_seconds", "Time by which a timer of the event loop was late.", buckets=DURATION_BUCKETS
        ).of()
        self._cpu = process.counter(
            "cpu_seconds_total", "Processor time of all worker processes, user and system."
        ).of()
        self._memory = process.gauge("resident_memory_bytes", "Resident memory of all worker processes.").of()
        self._files = process.gauge("open_fds", "Open file descriptors of all worker processes.").of()
        self._most_files = process.gauge("max_fds", "File descriptors that a worker process may open.", mode="min").of()
        self._started = process.gauge(
            "start_time_seconds", "Start of the oldest worker process, in seconds since 1970.", mode="min"
        ).of()
        free = own.gauge("disk_free_bytes", "Free bytes of the disks that the server uses.", ("folder",), mode="min")
        self._free = {path: free.of(name) for name, path in _FOLDERS.items()}
        own.counter("worker_process_starts_total", "Worker processes that started.").of().inc()
        self._started.set(time.time())
        self._cpu_before = 0.0

    async def run(self) -> None:
        """Sample until cancelled."""
        loop = asyncio.get_running_loop()
        tick = 0
        while True:
            if tick % TICKS == 0:
                self.sample()
            if tick % SLOW_TICKS == 0:
                self._look()
            tick += 1
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lag.observe(max(0.0, loop.time() - due))

    def sample(self) -> None:
        """Set all gauges but the slow ones."""
        for each in self._samples:
            each()
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime
        self._cpu.inc(cpu - self._cpu_before)
        self._cpu_before = cpu
        self._memory.set(_resident() or used.ru_maxrss * (1 if sys.platform == "darwin" else 1024))

    def _look(self) -> None:
        for path, free in self._free.items():
            with suppress(OSError):
                free.set(shutil.disk_usage(path).free)
        with suppress(OSError):
            self._files.set(len(os.listdir("/dev/fd")))  # noqa: PTH208 - only their number is wanted
        self._most_files.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _resident() -> int | None:
    """Return the resident memory in bytes; None where the system has no such file."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return None
