"""Takes a JWT apart, strictly: one token has one spelling, and what is not verified is not looked into."""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from plugins.jwt.domain import JwtRefused, Refusal

MAX_LENGTH: Final = 7 * 1024
"""Characters. A line of an HTTP header has room for 8,190 bytes, gRPC metadata for 16 KiB in all: a token that fits
into both, beside what else is sent, is accepted over both."""

_DOTS: Final = 2
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")  # unsigned ones end with the dot
_OTHERS: Final = ("fwt_", "flovyn_")
"""Beginnings of worker tokens and static keys, whatever follows."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A JWT in its parts, none of them believed yet."""

    header: Mapping[str, Any] = field(repr=False)
    payload: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def claims(self) -> Mapping[str, Any]:
        """Return the claims; ask only when the signature is checked.

        Raises:
            JwtRefused: the payload is not a JSON object.
        """
        return _object(self.payload)


def looks_like_jwt(text: str) -> bool:
    """Whether the text is three base64url parts with dots between, and not a credential of another kind."""
    if text.count(".") != _DOTS or text.startswith(_OTHERS):
        return False
    return _SHAPE.fullmatch(text) is not None


def parse(text: str) -> SignedToken:
    """Return the parts of a token.

    Raises:
        JwtRefused: it is too long, not base64url in the one canonical form, or its header is not a JSON object.
    """
    if len(text) > MAX_LENGTH:
        raise JwtRefused(Refusal.TOO_LONG)
    header, payload, signature = text.split(".")
    return SignedToken(
        _object(_decoded(header)), _decoded(payload), text.rpartition(".")[0].encode("ascii"), _decoded(signature)
    )


def _decoded(part: str) -> bytes:
    """Decode base64url; a last character with stray bits would be a second spelling of the same token."""
    try:
        data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise JwtRefused(Refusal.MALFORMED) from None
    if urlsafe_b64encode(data).decode("ascii").rstrip("=") != part:
        raise JwtRefused(Refusal.MALFORMED)
    return data


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError):
        raise JwtRefused(Refusal.MALFORMED) from None
    if not isinstance(value, dict):
        raise JwtRefused(Refusal.MALFORMED)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and the infinities are no JSON


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two claims of one name mean different things to different readers."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found
