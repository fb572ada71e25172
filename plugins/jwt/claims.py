"""Judges the claims of a token: when it is valid, from whom it comes, and for whom it is meant (RFC 7519)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from plugins.jwt.config import JwtConfig
from plugins.jwt.domain import JwtRefused, Refusal


def find(claims: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Return the value at the end of the path; None when there is none, or the path is empty."""
    value: Any = claims if path else None
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


class ClaimRules:
    """The rules that follow from the settings."""

    def __init__(self, config: JwtConfig) -> None:
        self._skew = config.clock_skew
        self._issuer = config.issuer
        self._audience = None if config.audience is None else frozenset(config.audience)

    def check(self, claims: Mapping[str, Any], now: float) -> float:
        """Return the moment (seconds since 1970) from which the token is no longer valid.

        Raises:
            JwtRefused: it is not valid now, or not for this server.
        """
        expires, begins, issued = (_moment(claims.get(name)) for name in ("exp", "nbf", "iat"))
        if expires is None:
            raise JwtRefused(Refusal.CLAIMS)
        if now >= expires + self._skew:
            raise JwtRefused(Refusal.EXPIRED)
        if any(moment is not None and moment > now + self._skew for moment in (begins, issued)):
            raise JwtRefused(Refusal.NOT_YET)
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise JwtRefused(Refusal.ISSUER)
        if self._audience is not None and self._audience.isdisjoint(_texts(claims.get("aud"))):
            raise JwtRefused(Refusal.AUDIENCE)
        return expires + self._skew


def _moment(value: Any) -> float | None:
    """Return a numeric date, if there is one.

    Raises:
        JwtRefused: it is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JwtRefused(Refusal.CLAIMS)
    try:
        moment = float(value)
    except OverflowError:
        raise JwtRefused(Refusal.CLAIMS) from None
    if not math.isfinite(moment):
        raise JwtRefused(Refusal.CLAIMS)
    return moment


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
