"""How long lists take in a database of one or ten million workflows.

    .venv/bin/python -m tests.benchmarks.bench_lists [--workflows 1000000] [--data FOLDER] [--requests 60] [--only TEXT]

It loads a PostgreSQL of its own (durable, with its defaults but for the shared buffers) with finished and open
workflows, three events and about one task of each, in a realistic spread of kinds, queues, statuses, metadata and
times; see tests/support/many_workflows.sql. A server of this source tree then answers each list over REST, and the script prints p50 and p95 in
milliseconds, and the sizes of tables and indexes. With ``--data``, the database stays there, and the next run loads
nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg

from server.database.embedded import Cluster
from tests.benchmarks.engine_load import KEY, TENANT, Server, serving
from tests.support.many_workflows import SQL, load

_LISTS = "/api/v1/tenants/bench"
_SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "work_mem": "16MB", "maintenance_work_mem": "512MB"}

Query = dict[str, str]
Filters = dict[str, Callable[[int], Query]]
"""By name, the query string of the n-th request."""


_OFFERED = ("status FAILED", "kind, often", "queue, often", "created, a day", "metadata, often", "error, frequent word")


def filters(workflows: int) -> Filters:
    """Return the filters of the list of workflows, alone and in pairs, with values that occur often, rarely and never."""
    old = datetime.now(UTC) - timedelta(days=20)

    def moment(minutes: float) -> str:
        return (old + timedelta(minutes=minutes)).isoformat()

    def some_id(n: int) -> str:
        return md5(f"workflow {1 + n * 997 % workflows}".encode(), usedforsecurity=False).hexdigest()

    alone: Filters = {
        "none": lambda _: {},
        "status COMPLETED": lambda _: {"status": "COMPLETED"},
        "status FAILED": lambda _: {"status": "FAILED"},
        "status FAILED,CANCELLED": lambda _: {"status": "FAILED,CANCELLED"},
        "status of open ones": lambda _: {"status": "PENDING,RUNNING,WAITING,CANCELLING"},
        "status CANCELLING (none)": lambda _: {"status": "CANCELLING"},
        "kind, often": lambda n: {"kind": f"kind-{n % 4}"},
        "kind, rare": lambda _: {"kind": "kind-20"},
        "kind (none)": lambda n: {"kind": f"absent-{n}"},
        "queue, often": lambda n: {"queue": f"queue-{n % 4}"},
        "queue (none)": lambda n: {"queue": f"absent-{n}"},
        "created, a day": lambda n: {"createdFrom": moment(n), "createdTo": moment(n + 1440)},
        "created, a second": lambda n: {"createdFrom": moment(n), "createdTo": moment(n + 1 / 60)},
        "ended, a day": lambda n: {"endedFrom": moment(n), "endedTo": moment(n + 1440)},
        "ended, a second": lambda n: {"endedFrom": moment(n), "endedTo": moment(n + 1 / 60)},
        "id, 1 digit": lambda n: {"idPrefix": f"{n % 16:x}"},
        "id, 4 digits": lambda n: {"idPrefix": some_id(n)[:4]},
        "id, 8 digits": lambda n: {"idPrefix": some_id(n)[:8]},
        "parent": lambda n: {"parentId": some_id(n)},
        "root": lambda n: {"rootId": some_id(n)},
        "worker": lambda n: {"workerId": f"worker-{n % 200}"},
        "worker (none)": lambda n: {"workerId": f"absent-{n}"},
        "metadata, often": lambda _: {"metadata": '{"region":"eu"}'},
        "metadata, 35 workflows": lambda n: {"metadata": f'{{"customer":"c{1 + n * 7 % (workflows // 60)}"}}'},
        "metadata, one workflow": lambda n: {"metadata": f'{{"order":"o{1 + n * 997 % workflows}"}}'},
        "metadata (none)": lambda n: {"metadata": f'{{"order":"absent{n}"}}'},
        "metadata key, often": lambda _: {"metadataKey": "customer"},
        "metadata key (none)": lambda n: {"metadataKey": f"absent{n}"},
        "error, frequent word": lambda _: {"error": "timeout"},
        "error, rare word": lambda n: {"error": f"v{n}"},
        "error (none)": lambda n: {"error": f"absent{n}"},
        "failing tasks": lambda _: {"failingTasks": "true"},
    }
    pairs = [*combinations(_OFFERED, 2), ("kind, rare", "queue (none)"), ("worker", "status FAILED")]
    return alone | {f"{a} + {b}": _both(alone[a], alone[b]) for a, b in pairs}


def _both(first: Callable[[int], Query], second: Callable[[int], Query]) -> Callable[[int], Query]:
    return lambda n: first(n) | second(n)


class Client:
    """One connection for REST."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=120)

    def get(self, path: str, query: Query) -> tuple[float, Any]:
        """Return the milliseconds that an answer took, and the answer."""
        begun = time.perf_counter()
        self._connection.request(
            "GET", f"{_LISTS}{path}?{urlencode(query)}", headers={"authorization": f"Bearer {KEY}"}
        )
        answer = self._connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status not in (200, 503):
            raise RuntimeError(f"{path} {query}: {answer.status} {content[:300]!r}")
        return took, json.loads(content)


def measure(client: Client, wanted: Filters, requests: int) -> Iterator[tuple[str, list[float], Any]]:
    """Yield the name of each filter, p50 and p95 in milliseconds, with and without a total, and the last total."""
    for name, query in wanted.items():
        percentiles: list[float] = []
        total: Any = None
        for count in ("bounded", "none"):
            client.get("/workflow-executions", query(0))
            found = [client.get("/workflow-executions", query(n) | {"count": count}) for n in range(requests)]
            times = sorted(took for took, _ in found)
            percentiles += [times[len(times) // 2], times[len(times) * 95 // 100]]
            total = found[-1][1].get("total", found[-1][1].get("error")) if count == "bounded" else total
        yield name, percentiles, total


def main() -> None:
    """Load, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workflows", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data or folder / "data"
        is_new = not data.exists()
        cluster = Cluster(data)
        cluster.start()
        try:
            if is_new:
                with psycopg.connect(cluster.url(), autocommit=True) as connection:
                    for key, value in _SETTINGS.items():
                        connection.execute(f"ALTER SYSTEM SET {key} = '{value}'".encode())
                cluster.stop()
                cluster.start()
            _run(cluster.url(), folder, options, is_new=is_new)
        finally:
            cluster.stop()


def _run(url: str, folder: Path, options: argparse.Namespace, *, is_new: bool) -> None:
    with serving(url, folder):
        pass  # migrates
    if is_new:
        begun = time.perf_counter()
        load(url, TENANT, options.workflows)
        print(f"loaded {options.workflows:,} workflows in {time.perf_counter() - begun:.0f} s")
    with serving(url, folder) as server:
        wanted = {name: query for name, query in filters(options.workflows).items() if options.only in name}
        print(f"{'filter':48} {'p50':>8} {'p95':>8} {'no total':>8} {'p95':>8}  total")
        for name, percentiles, total in measure(Client(server), wanted, options.requests):
            print(f"{name:48} {' '.join(f'{each:8.1f}' for each in percentiles)}  {total}", flush=True)
    with psycopg.connect(url) as connection:
        for name, rows, size, is_index in connection.execute(SQL["sizes"].encode()).fetchall():
            print(f"{'  ' * is_index + name:44} {rows:12,} rows {size / 2**20:9.1f} MiB")


if __name__ == "__main__":
    main()
