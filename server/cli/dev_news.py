"""One line of ``dev`` for each workflow that starts or ends. It asks the REST API once a second."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from core.errors import FlovynError
from server.cli.remote.client import PAGE, Client
from server.cli.remote.following import ENDED
from server.cli.remote.output import parsed, plain
from server.cli.remote.timeline import duration

EVERY_S: Final = 1.0
_REMEMBERED: Final = 10 * PAGE


class News:
    """The workflows that have started and ended since the last look, as lines."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._path = client.tenant_path("/workflow-executions")
        now = datetime.now(UTC).isoformat()
        self._since = {"created": now, "ended": now}
        self._told: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)

    def lines(self) -> Iterator[str]:
        """Yield a line for each workflow that has started or ended, in the order of these times."""
        started = self._new("created", "createdAt")
        ended = self._new("ended", "completedAt", status=",".join(ENDED))
        found = [(row["createdAt"], "STARTED", row) for row in started]
        found += [(row["completedAt"], row["status"], row) for row in ended]
        for at, word, row in sorted(found, key=lambda each: each[0]):
            yield _line(at, word, row)
        if PAGE in (len(started), len(ended)):
            yield "          … and more; 'flovyn-server workflow list' shows all"

    def _new(self, what: str, member: str, **query: object) -> list[dict[str, Any]]:
        query = {**query, f"{what}From": self._since[what], "view": "summary", "count": "none", "limit": PAGE}
        rows = self._client.call("GET", self._path, **query)["workflows"]
        new = [row for row in rows if (what, row["id"]) not in self._told]
        self._told.extend((what, row["id"]) for row in new)
        self._since[what] = max([self._since[what], *(row[member] for row in new)], key=parsed)
        return new


def _line(at: str, word: str, row: dict[str, Any]) -> str:
    time = parsed(at).astimezone().strftime("%H:%M:%S")
    taken = "" if word == "STARTED" else f"  {duration((parsed(at) - parsed(row['createdAt'])).total_seconds())}"
    error = f"  {plain(row['error'])}" if row["error"] and word != "STARTED" else ""
    return f"{time}  {word:<10}  {row['id']}  {plain(row['kind'])}{taken}{error}"


@contextlib.contextmanager
def telling(client: Client, say: Callable[[str], object]) -> Iterator[None]:
    """Tell each second, until the end of the context, which workflows have started and ended."""
    stopped, news = threading.Event(), News(client)  # at once: workflows of the first second count, too

    def tell() -> None:
        while not stopped.wait(EVERY_S):
            with contextlib.suppress(FlovynError):  # the server is being replaced, or stops
                for line in news.lines():
                    say(line + "\n")

    thread = threading.Thread(target=tell, name="news", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
