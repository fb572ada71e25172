"""The part of a call that an authenticator receives, the same for both protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Protocol(StrEnum):
    """The protocol of a call; each has its own list of authenticators in the configuration."""

    REST = "http"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """The part of a call that carries credentials.

    Attributes:
        protocol: REST or gRPC.
        path: URL path, or ``/package.Service/Method``.
        headers: HTTP headers or gRPC metadata, names in lower case; not shown by ``repr``.
        peer: the caller's network address, for rate limits and audit.
    """

    protocol: Protocol
    path: str
    headers: Mapping[str, str] = field(repr=False)
    peer: str = ""

    @property
    def bearer(self) -> str | None:
        """The token of ``authorization: Bearer <token>`` (scheme in any case), if there is one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None
