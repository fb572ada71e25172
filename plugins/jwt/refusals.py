"""Tells the log what is refused, so that neither an attack nor a broken client can fill it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from plugins.jwt.domain import Refusal

EVERY_S: Final = 60.0


@dataclass(slots=True)
class _Told:
    at: float
    since: int = 0


class RefusalLog:
    """One line for the first refusal of a class, then one a minute with the number of those between."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: dict[Refusal, _Told] = {}

    def note(self, refusal: Refusal, now: float) -> None:
        """Count a refusal, at ``now`` seconds since 1970; nothing of the token is known here."""
        told = self._told.get(refusal)
        if told is not None and 0 <= now - told.at < EVERY_S:
            told.since += 1
            return
        before = told.since if told is not None else 0
        self._told[refusal] = _Told(now)
        self._logger.warning(
            "a JWT was refused: %s (%d more since the last such line)",
            refusal.value,
            before,
            extra={"refusal": refusal.name.lower(), "more": before},
        )
