"""The cost of a check of a worker token: ``python tests/benchmarks/bench_auth.py`` prints a table.

CPU time of this process alone, over a real PostgreSQL; the database's own work is not in it.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import AuthError, LimitExceeded  # noqa: E402
from plugins.worker_token.tests.workbench import Bench, bench  # noqa: E402
from tests.support.postgres import running_cluster  # noqa: E402

ROUNDS = 7


async def microseconds(work: Callable[[], Awaitable[object]], times: int) -> tuple[float, float]:
    """Return the median of some rounds: CPU and wall-clock time of one call, in microseconds."""
    taken = []
    for _ in range(ROUNDS):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(times):
            await work()
        taken.append(((time.process_time() - cpu) / times * 1e6, (time.perf_counter() - wall) / times * 1e6))
    return statistics.median(each[0] for each in taken), statistics.median(each[1] for each in taken)


async def rows(made: Bench) -> list[tuple[str, tuple[float, float]]]:
    """Measure every kind of check."""
    _, token = await made.create()
    altered = token[:-1] + ("a" if token[-1] != "a" else "b")
    warm, cold, open_ = made.parts, made.process(cache_seconds=0), made.process(cache_seconds=0, max_failures=0)
    limited = made.process(max_failures=1, failures_per_minute=1)

    async def refused(text: str, parts: object) -> None:
        try:
            await made.check(text, parts=parts)  # type: ignore[arg-type]  # one of the three above
        except (AuthError, LimitExceeded):
            return
        raise AssertionError(text)

    await refused(altered, limited)
    return [
        ("warm: remembered", await microseconds(lambda: made.check(token, parts=warm), 20_000)),
        ("cold: asks the database", await microseconds(lambda: made.check(token, parts=cold), 500)),
        ("refused: altered, asks the database", await microseconds(lambda: refused(altered, open_), 500)),
        ("refused: beyond the limit", await microseconds(lambda: refused(altered, limited), 20_000)),
        ("refused: malformed", await microseconds(lambda: refused(token[:20], open_), 20_000)),
    ]


async def measure(url: str) -> None:
    """Print the table."""
    async with bench(url) as made:
        print(f"{'check of a worker token':40}{'CPU':>10}{'elapsed':>12}")
        for title, (cpu, wall) in await rows(made):
            print(f"{title:40}{cpu:7.1f} µs{wall:9.1f} µs")


def main() -> None:
    """Run on a cluster of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cluster(Path(folder)) as databases,
        databases.migrated() as url,
    ):
        asyncio.run(measure(url))


if __name__ == "__main__":
    main()
