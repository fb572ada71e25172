"""The plans of lists: each statement of a list reads a small part of a large table, whatever it is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from core.clock import SystemClock
from core.paging import Count, CursorQuery, Cursors
from server.database.connecting import connect
from server.domain.task_view import TaskFilter
from server.domain.workflow_view import WorkflowFilter
from server.storage.task_views import TaskViewRepository
from server.storage.workflow_views import WorkflowViewRepository
from tests.support.many_workflows import load
from tests.support.postgres import Databases

TENANT = UUID("11111111-1111-4111-8111-111111111111")
WORKFLOWS = 60_000
MOST_READ = 6000
"""Rows that one statement may read of the 60,000 workflows; a count of those that match stops at 10,001."""

LARGE = {"workflow_execution", "workflow_event", "task_execution"}
OLD = datetime.now(UTC) - timedelta(days=20)

CONDITIONS: Mapping[str, dict[str, Any]] = {
    "nothing": {},
    "frequent status": {"statuses": ["COMPLETED"]},
    "rare status": {"statuses": ["FAILED"]},
    "absent status": {"statuses": ["CANCELLING"]},
    "several statuses": {"statuses": ["FAILED", "CANCELLED"]},
    "open": {"statuses": ["PENDING", "RUNNING", "WAITING", "CANCELLING"]},
    "frequent kind": {"kind": "kind-1"},
    "absent kind": {"kind": "absent"},
    "frequent queue": {"queue": "queue-1"},
    "absent queue": {"queue": "absent"},
    "an hour of creations": {"created_from": OLD, "created_to": OLD + timedelta(hours=1)},
    "an hour of ends": {"ended_from": OLD, "ended_to": OLD + timedelta(hours=1)},
    "an id": {"first_id": UUID("abcd0000" + "0" * 24), "last_id": UUID("abcdffff" + "f" * 24)},
    "any id": {"first_id": UUID("a" + "0" * 31), "last_id": UUID("a" + "f" * 31)},
    "a parent": {"parent_id": uuid4()},
    "a root": {"root_id": uuid4()},
    "a worker": {"worker_id": "worker-7"},
    "an absent worker": {"worker_id": "absent"},
    "frequent metadata": {"metadata": '{"region": "eu"}'},
    "rare metadata": {"metadata": '{"customer": "c7"}'},
    "absent metadata": {"metadata": '{"customer": "absent"}'},
    "an absent key": {"metadata_key": "absent"},
    "a frequent word": {"error": "timeout"},
    "a rare word": {"error": "v77"},
    "an absent word": {"error": "absent"},
    "failing tasks": {"failing_tasks": True},
}
OFFERED = [
    "rare status",
    "frequent kind",
    "frequent queue",
    "an hour of creations",
    "frequent metadata",
    "a frequent word",
]
ALONE = [(name,) for name in CONDITIONS]
PAIRS = [*combinations(OFFERED, 2), ("frequent kind", "absent queue"), ("absent kind", "frequent metadata")]


@pytest.fixture(scope="module")
def large_database(databases: Databases) -> Iterator[str]:
    """The address of a database with many workflows."""
    with databases.migrated() as url:
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO tenant (id, slug, name) VALUES (%s, 'test', 'Test')", [TENANT])
        load(url, TENANT, WORKFLOWS)
        yield url


class _Explaining:
    """Implements ``Database``; explains each statement of a list before it runs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.plans: list[dict[str, Any]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Lend a connection whose cursors explain."""
        async with await connect(self._url, timeout=5) as connection, connection.transaction():
            yield _Connection(connection, self.plans)

    connection = transaction


class _Connection:
    """A connection whose cursors explain."""

    def __init__(self, connection: Any, plans: list[dict[str, Any]]) -> None:
        self._connection = connection
        self._plans = plans
        self.execute = connection.execute

    def cursor(self, **more: Any) -> _Cursor:
        """Return a cursor that explains its statement."""
        return _Cursor(self._connection, self._plans, more)


class _Cursor:
    """A cursor that explains its statement before it runs it."""

    def __init__(self, connection: Any, plans: list[dict[str, Any]], more: dict[str, Any]) -> None:
        self._connection = connection
        self._plans = plans
        self._more = more

    async def execute(self, statement: str, parameters: Any, **options: Any) -> Any:
        """Explain the statement, and run it."""
        explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
        row = await (await self._connection.execute(explain, parameters, prepare=False)).fetchone()
        self._plans.append(row[0][0]["Plan"])
        return await self._connection.cursor(**self._more).execute(statement, parameters, **options)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


def _rows_read(node: dict[str, Any]) -> float:
    """Return the rows that a scan of a large table has read, those that it dropped included."""
    if node.get("Relation Name") not in LARGE:
        return 0
    removed = sum(node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def _check(plan: dict[str, Any], most: float, name: object) -> None:
    nodes = list(_nodes(plan))
    described = json.dumps(plan, indent=1)
    scanned = [each["Relation Name"] for each in nodes if each["Node Type"] == "Seq Scan"]
    assert not LARGE & set(scanned), f"{name}: {described}"
    assert sum(map(_rows_read, nodes)) <= most, f"{name}: {described}"
    for sort in (each for each in nodes if "Sort" in each["Node Type"]):
        assert sum(each["Actual Rows"] * each["Actual Loops"] for each in sort["Plans"]) <= most, f"{name}: {described}"


async def _page(url: str, *, counts: bool, of_tasks: bool = False, **wanted: Any) -> list[dict[str, Any]]:
    async def key() -> bytes:
        return b"k" * 32

    database: Any = _Explaining(url)
    query = CursorQuery(count=Count.BOUNDED if counts else Count.NONE)
    cursors = Cursors(key, SystemClock())
    paging = await cursors.paging("list", TENANT, query)
    for summary in (False, True):
        if of_tasks:
            tasks = TaskViewRepository(database)
            _, page = await (tasks.summaries if summary else tasks.page)(TaskFilter(TENANT, **wanted), paging)
        else:
            views = WorkflowViewRepository(database)
            _, page = await (views.summaries if summary else views.page)(WorkflowFilter(TENANT, **wanted), paging)
    if page["next_cursor"] is not None:
        following = await cursors.paging("list", TENANT, CursorQuery(cursor=page["next_cursor"], count=Count.NONE))
        if of_tasks:
            await TaskViewRepository(database).page(TaskFilter(TENANT, **wanted), following)
        else:
            await WorkflowViewRepository(database).page(WorkflowFilter(TENANT, **wanted), following)
    plans: list[dict[str, Any]] = database.plans
    return plans


@pytest.mark.parametrize("names", [*ALONE, *PAIRS], ids=" and ".join)
def test_a_page_reads_a_small_part_of_the_table(large_database: str, names: tuple[str, ...]) -> None:
    """No sequential scan of a large table, and no sort of many rows: for the first page and the one behind it."""
    wanted = {name: value for each in names for name, value in CONDITIONS[each].items()}
    plans = asyncio.run(_page(large_database, counts=False, **wanted))
    assert plans
    for plan in plans:
        _check(plan, MOST_READ, names)


@pytest.mark.parametrize("name", ["nothing", "frequent kind", "frequent status", "several statuses", "open"])
def test_a_bounded_count_stops(large_database: str, name: str) -> None:
    """It reads at most as many rows as it counts, and a few that do not match."""
    for plan in asyncio.run(_page(large_database, counts=True, **CONDITIONS[name])):
        rows = sum(map(_rows_read, _nodes(plan)))
        assert rows <= 2 * 10_001, json.dumps(plan, indent=1)


@pytest.mark.parametrize("wanted", [{}, {"created_from": OLD, "created_to": OLD + timedelta(hours=1)}], ids=str)
def test_a_page_of_tasks_reads_a_small_part_of_the_table(large_database: str, wanted: dict[str, Any]) -> None:
    """The same for standalone tasks."""
    for plan in asyncio.run(_page(large_database, counts=False, of_tasks=True, **wanted)):
        _check(plan, MOST_READ, wanted)
