"""The addresses of the database: one for the pool, one for what needs a session; see ``server.database.poolers``."""

from __future__ import annotations

from server.config import Settings
from server.database.passwords import Address


def pooled(settings: Settings) -> Address:
    """Return the address for transactions; a pooler may be in between."""
    return _address(settings, settings.database_url.get_secret_value())


def direct(settings: Settings) -> Address:
    """Return the address for LISTEN, advisory locks and migrations."""
    return _address(settings, (settings.database.direct_url or settings.database_url).get_secret_value())


def standby(settings: Settings) -> Address | None:
    """Return the address of the standby for lists and histories; None without one."""
    url = settings.database.read_url
    return None if url is None else _address(settings, url.get_secret_value())


def _address(settings: Settings, url: str) -> Address:
    return Address(url, settings.database.password_file, settings.database.password_command or ())
