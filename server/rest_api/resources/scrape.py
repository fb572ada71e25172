"""The answer to a scrape: the counts of the processes, and the depths of queues, which the database knows.

One process of the server asks the database, at most once in ``KEEP_S``. The others, and scrapes in between, show the
text that it has left in the shared folder.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

from core.errors import FlovynError
from core.metrics import OTHER
from server.domain.workflow import WorkflowStatus
from server.observability.metrics import MetricsRegistry, OwnMetrics, folder
from server.storage.depths import Depth, DepthRepository

KEEP_S = 10.0
"""The time for which the numbers of the database are shown, in seconds."""

ANSWER_WITHIN_S = 2.0
"""The time for which a scrape waits for the database, in seconds."""

_log = logging.getLogger(__name__)


class Scrape:
    """Makes the answers to scrapes.

    Args:
        queues: the number of queues of each category that are shown; the deepest ones.
        tenants: the tenants whose queues are shown apart.
        migrations: the versions of the edition's migrations, by owner.
    """

    def __init__(
        self,
        metrics: MetricsRegistry,
        depths: DepthRepository,
        *,
        queues: int,
        tenants: Sequence[UUID] = (),
        migrations: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        self._metrics = metrics
        self._depths = depths
        self._queues = queues
        self._tenants = {tenant: str(tenant) for tenant in tenants}
        self._migrations = migrations
        self._own = b""
        self._asked_at = -KEEP_S

    async def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus.

        Raises:
            Unavailable: the folder with the values was removed.
        """
        counted = self._metrics.text()
        return counted + await self._of_database() if self._metrics.counts else counted

    async def _of_database(self) -> bytes:
        shared = folder()
        if shared is None:
            if time.monotonic() - self._asked_at >= KEEP_S:
                self._asked_at = time.monotonic()
                self._own = await self._ask()
            return self._own
        kept = shared / "depths.prom"
        with _turn(shared / "depths.lock") as mine:
            if mine and not _is_young(kept):
                text = await self._ask()
                written = kept.with_suffix(f".{os.getpid()}")
                written.write_bytes(text)
                written.replace(kept)
                return text
        return kept.read_bytes() if kept.exists() else b""

    async def _ask(self) -> bytes:
        """Return the text of the numbers; none when the database gives none in time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return self._shown(await self._depths.depths())
        except (FlovynError, TimeoutError) as error:
            _log.warning("a scrape shows no depths of queues: %s", str(error) or "the database did not answer in time")
            return b""

    def _shown(self, depths: Sequence[Depth]) -> bytes:
        registry = MetricsRegistry(shared=False)
        own = registry.server
        labels = ("category", "queue", "tenant")
        pending = own.gauge("queue_depth", "Work that is pending and due, by queue.", labels)
        oldest = own.gauge("queue_oldest_age_seconds", "Age of the work that is pending longest, by queue.", labels)
        running = own.gauge("running", "Work that workers hold.", ("category",))
        held = own.gauge("running_oldest_age_seconds", "Age of the oldest claim.", ("category",))
        late = own.gauge("timers_overdue", "Timers that are due and have not fired.").of()
        latest = own.gauge("timer_oldest_late_seconds", "Lateness of the timer that is overdue longest.").of()
        self._show_statuses(own, depths)
        self._show_migrations(own, depths)
        self._show_tables(own, depths)
        for category in ("workflow", "task", "agent"):
            rows = [each for each in depths if each.subject == category]
            for (queue, tenant), (number, age) in self._by_queue(rows).items():
                pending.of(category, queue, tenant).set(number)
                oldest.of(category, queue, tenant).set(age)
        for each in depths:
            if each.subject == "running":
                running.of(each.name).set(each.number)
                held.of(each.name).set(each.oldest or 0)
            elif each.subject == "timer":
                late.set(each.number)
                latest.set(each.oldest or 0)
        return registry.text()

    @staticmethod
    def _show_statuses(own: OwnMetrics, depths: Sequence[Depth]) -> None:
        gauge = own.gauge(
            "workflows", "Workflows by status; those that were not all counted are estimated.", ("status",)
        )
        counted = {each.name: each.number for each in depths if each.subject == "status"}
        guesses = [each for each in depths if each.subject in ("least", "estimate")]
        for status in WorkflowStatus:
            guess = max((each.number for each in guesses if each.name == status), default=0.0)
            gauge.of(status).set(counted.get(status, guess))

    def _show_migrations(self, own: OwnMetrics, depths: Sequence[Depth]) -> None:
        gauge = own.gauge("migrations_pending", "Migrations of this edition that the database lacks.", ("owner",))
        applied = {(each.name, int(each.number)) for each in depths if each.subject == "migration"}
        for owner, versions in self._migrations.items():
            gauge.of(owner).set(sum((owner, version) not in applied for version in versions))

    @staticmethod
    def _show_tables(own: OwnMetrics, depths: Sequence[Depth]) -> None:
        size = own.gauge("table_bytes", "Size of a table without its indexes.", ("table",))
        of_indexes = own.gauge("index_bytes", "Size of the indexes of a table.", ("table",))
        dead = own.gauge("dead_rows", "Rows that updates and deletions have left in a table.", ("table",))
        oldest = own.gauge("oldest_transaction_seconds", "Age of the oldest transaction of the database.").of()
        shown = {"table": size, "indexes": of_indexes, "dead": dead}
        for each in depths:
            if each.subject in shown:
                shown[each.subject].of(each.name).set(each.number)
            elif each.subject == "transaction":
                oldest.set(each.oldest or 0)

    def _by_queue(self, rows: Iterable[Depth]) -> dict[tuple[str, str], tuple[float, float]]:
        """Return number and greatest age by queue and tenant; only the deepest queues have their names."""
        totals: defaultdict[str, float] = defaultdict(float)
        found: dict[tuple[str, str], tuple[float, float]] = {}
        rows = list(rows)
        for each in rows:
            totals[each.name] += each.number
        named = sorted(totals, key=lambda queue: -totals[queue])[: self._queues]
        for each in rows:
            tenant = "" if each.tenant_id is None else self._tenants.get(each.tenant_id, "")
            key = (each.name if each.name in named else OTHER, tenant)
            number, age = found.get(key, (0.0, 0.0))
            found[key] = (number + each.number, max(age, each.oldest or 0.0))
        return found


def _is_young(kept: Path) -> bool:
    try:
        return 0 <= time.time() - kept.stat().st_mtime < KEEP_S
    except FileNotFoundError:
        return False


@contextmanager
def _turn(lock: Path) -> Iterator[bool]:
    """Yield whether no other scrape asks the database at this moment."""
    opened = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(opened)
