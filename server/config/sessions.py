"""``[sessions]``: sessions of browsers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from server.config.auth import Section

Origin = Annotated[str, Field(pattern=r"^https?://[^/\s]+$", examples=["https://flovyn.example"])]


class SessionSettings(Section):
    """``[sessions]``: sessions of browsers.

    Attributes:
        idle: seconds without a call after which a session ends.
        longest: seconds after its sign-in at which a session ends in any case.
        origins: origins of pages, such as ``https://flovyn.example``, for a reverse proxy that changes the header
            ``Host`` and does not send ``X-Forwarded-Host``.
    """

    idle: float = Field(default=12 * 3600.0, ge=300, le=30 * 86400)
    longest: float = Field(default=7 * 86400.0, ge=300, le=90 * 86400)
    origins: tuple[Origin, ...] | None = None
