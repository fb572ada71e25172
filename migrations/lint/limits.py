"""How long a migration may wait: it may shorten the server's own limits, and never lengthen them."""

from __future__ import annotations

import re

MILLISECONDS = {
    "lock_timeout": 5_000,
    "statement_timeout": 600_000,
    "idle_in_transaction_session_timeout": 60_000,
}
"""The longest that each setting may be set to; the migrator begins every migration with these."""

_VALUE = re.compile(r"[ \t]*(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[ \t]*(?P<unit>us|ms|s|min|h|d)?[ \t]*")
_UNITS = {"us": 0.001, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def fault(setting: str, value: str) -> str | None:
    """Return what is wrong with a value of one of the settings, or None."""
    found = _VALUE.fullmatch(value)
    if found is None:
        return f"SET LOCAL {setting}: {value[:40]} is no number of milliseconds, and no number with a unit"
    milliseconds = round(float(found["number"]) * _UNITS[found["unit"] or "ms"])
    if milliseconds == 0:
        return f"SET LOCAL {setting} = 0 waits for ever; at most {MILLISECONDS[setting]} ms are allowed"
    if milliseconds > MILLISECONDS[setting]:
        return f"SET LOCAL {setting} may only shorten the server's {MILLISECONDS[setting]} ms"
    return None
