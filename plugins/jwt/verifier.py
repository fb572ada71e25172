"""Checks that a token was signed by a key of the identity provider, and by nothing that the token brings along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plugins.jwt.domain import JwtRefused, Refusal
from plugins.jwt.jwks import Jwks
from plugins.jwt.keys import MAX_KEY_ID
from plugins.jwt.token import SignedToken

_KEYS_OF_ITS_OWN: Final = frozenset({"jwk", "jku", "x5u", "x5c"})
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""Of ``typ``: log-out notes, proofs of possession and others are signed with the same keys and are no credentials."""


class Verifier:
    """Verifies signatures."""

    def __init__(self, algorithms: Sequence[str], jwks: Jwks) -> None:
        self._algorithms = frozenset(algorithms)
        self._jwks = jwks

    async def verify(self, token: SignedToken) -> None:
        """Return when the signature is right.

        Raises:
            JwtRefused: it is not, or the header asks for something that is not done here.
        """
        key = await self._jwks.key(self._key_id(token))
        if key.algorithm != token.header["alg"]:
            raise JwtRefused(Refusal.ALGORITHM)
        if not key.verifies(token.signed, token.signature):
            raise JwtRefused(Refusal.SIGNATURE)

    def _key_id(self, token: SignedToken) -> str:
        """Return the key that the header names, if the rest of the header is as it must be."""
        header = token.header
        algorithm, kind, key_id = header.get("alg"), header.get("typ", "jwt"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise JwtRefused(Refusal.ALGORITHM)
        if "crit" in header or not _KEYS_OF_ITS_OWN.isdisjoint(header):
            raise JwtRefused(Refusal.HEADER)
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise JwtRefused(Refusal.HEADER)
        if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID:
            raise JwtRefused(Refusal.NO_KEY_ID)
        return key_id
