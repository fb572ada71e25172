"""The addresses of the database: one for the pool, one for what needs a session; see ``server.database.poolers``."""

from __future__ import annotations

from server.config import Settings


def pooled(settings: Settings) -> str:
    """Return the address for transactions; a pooler may be in between."""
    return settings.database_url.get_secret_value()


def direct(settings: Settings) -> str:
    """Return the address for LISTEN, advisory locks and migrations."""
    return (settings.database.direct_url or settings.database_url).get_secret_value()
