"""Cron lines in IANA time zones, by a library with Debian's rules for hours that clocks skip or repeat."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from core.errors import InvalidInput
from core.fields import optional_text

LONGEST_CRON = 1024
"""The greatest length of a cron line, in characters."""


def next_after(cron: str, timezone: str, after: datetime) -> datetime | None:
    """Return the first instant of a cron line after a moment, in UTC; None if there is none."""
    try:
        return next(CronSim(cron, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)
    except StopIteration:
        return None


def check_cron(cron: str, timezone: str) -> None:
    """Check a cron line of five fields and a time zone.

    Raises:
        InvalidInput: one of them is not valid; the message names it.
    """
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"timezone {timezone!r} is not an IANA time zone such as Europe/Berlin") from None
    optional_text(cron, "cron", LONGEST_CRON)
    if len(cron.split()) != 5:  # noqa: PLR2004 - minute, hour, day, month, weekday
        raise InvalidInput(f"cron {cron!r} must have five fields: minute, hour, day, month and weekday")
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=zone))
    except (CronSimError, ValueError) as error:
        raise InvalidInput(f"cron {cron!r} is not valid: {str(error).lower()}") from None
