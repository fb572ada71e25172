"""Session state stands in few places, all of which use connections with a session of their own.

A pooler in transaction mode gives each transaction another session; see ``server/database/poolers.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import core
import server

ROOT = Path(core.__file__).parent.parent

STATE = re.compile(
    r"^\s*(SET(?!\s+LOCAL)\s+\w+(\.\w+)?\s*(=|TO)|RESET|LISTEN|UNLISTEN|PREPARE|DEALLOCATE|DISCARD|LOAD|SET\s+(ROLE|SESSION))\b"
    r"|\bpg_(try_)?advisory_(un)?lock"
    r"|\bset_config\([^()]*(\([^()]*\)[^()]*)*,\s*false\s*\)"
    r"|\bCREATE\s+(LOCAL\s+|GLOBAL\s+)?TEMP|\bWITH\s+HOLD\b|\bcurrval\b|\blastval\b",
    re.IGNORECASE | re.MULTILINE,
)
"""Statements whose effect outlives their transaction."""

_SENT = re.compile(r"""(?:SQL\(|execute\()\s*f?"([^"]*)\"""")
"""A statement that stands in Python."""

WITH_SESSION = {
    "server/database/sessions.sql",
    "server/database/poolers.sql",
    "server/database/notifications.py",
    "server/migrator",
}
"""Locks, LISTEN and migrations have direct connections; the look at a pooler cleans up after itself."""

USERS = {
    "sessions.sql": {"server/database/exclusive.py", "server/database/server_process.py"},
    "poolers.sql": {"server/database/poolers.py"},
}
"""The only modules that may load these statements."""


def _files(*endings: str) -> Iterator[Path]:
    for folder in (Path(core.__file__).parent, Path(server.__file__).parent, ROOT / "plugins"):
        for file in sorted(folder.rglob("*")):
            parts = file.relative_to(ROOT).parts
            if file.suffix in endings and "migrations" not in parts and "tests" not in parts:
                yield file.relative_to(ROOT)


def _states(file: Path) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.suffix == ".py":
        return [sent for sent in _SENT.findall(text) if STATE.search(sent)]
    statements = [re.sub(r"--.*", "", each) for each in re.split(r";|^-- name:.*$", text, flags=re.MULTILINE)]
    # the SET of an UPDATE begins a line, too
    return [each for each in statements if STATE.search(re.sub(r"\b(UPDATE\b[^;]*?)\bSET\b", r"\1", each))]


def test_session_state_stands_where_connections_have_sessions() -> None:
    """Every statement of the server and of plugins is looked at."""
    found = {str(file) for file in _files(".sql", ".py") if _states(file)}
    assert {each for each in found if each not in WITH_SESSION and not each.startswith("server/migrator/")} == set()
    assert found & WITH_SESSION == WITH_SESSION - {"server/migrator"}, "the pattern has ceased to find them"


def test_statements_with_session_state_have_few_users() -> None:
    """A statement that is loaded elsewhere would be sent over the pool."""
    for name, users in USERS.items():
        loading = {str(file) for file in _files(".py") if f'"{name}"' in (ROOT / file).read_text(encoding="utf-8")}
        assert loading == users


def test_modules_with_session_state_get_direct_addresses() -> None:
    """Where they are made, the address is the direct one."""
    for place, made in (("server/boot/database.py", "AdvisoryLocks"), ("server/boot/background.py", "Notifications")):
        assert f"{made}(direct(settings)" in (ROOT / place).read_text(encoding="utf-8")
    assert "connect_patiently(dsn" in (text := (ROOT / "server/boot/preparation.py").read_text(encoding="utf-8"))
    assert "dsn = settings.database, direct(settings)" in text
