"""All limits as the tables of ``docs/limits.md``: those of the code, and the settings with the values in force."""

from __future__ import annotations

from collections.abc import Iterator

from core.limits import LIMITS
from server.config.describe import described
from server.config.limits import Limits


def tables(limits: Limits) -> str:
    """Return both tables in Markdown."""
    return "\n".join([*_fixed(), "", *_settings(limits)]) + "\n"


def _fixed() -> Iterator[str]:
    yield from ("| limit of | at most | more is answered with |", "|---|---|---|")
    for each in LIMITS:
        yield f"| {each.thing} | {f'{each.value:,} {each.unit}'.strip()} | {each.refusal} |"


def _settings(limits: Limits) -> Iterator[str]:
    meanings = described(Limits)[1]
    yield from ("| setting in `[limits]` | value | meaning |", "|---|---|---|")
    for name, value in limits:
        yield f"| `{name}` | {value:,} | {meanings[name].rstrip('.')} |"
