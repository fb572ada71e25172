"""HMACs of tokens under one or more secrets, compared so that the time taken tells nothing."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from plugins.worker_token.domain import WorkerToken

NO_HASH: Final = "0" * 64
"""Stands for a stored hash where there is none, so that the same work is done."""


@dataclass(frozen=True, slots=True)
class Match:
    """The stored hash that a token fits, and what it should be: another one when it is under an older secret."""

    stored: WorkerToken
    hash: str = field(repr=False)
    newest: str = field(repr=False)


class TokenHasher:
    """Computes and compares the HMACs of tokens; ``keys`` has the newest secret first; without any, none fits."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys

    @property
    def ready(self) -> bool:
        """Whether there is a secret to store new tokens under."""
        return bool(self._keys)

    def hash(self, token: str) -> str:
        """Return the HMAC of a token, hexadecimal, under the newest secret."""
        return _hash(self._keys[0], token)

    def match(self, token: str, candidates: Sequence[WorkerToken]) -> Match | None:
        """Return which candidate's secret the token is, if any.

        Every secret is tried against every stored hash, found or not; with no candidate, against none's.
        """
        hashes = [_hash(key, token) for key in self._keys]
        found: Match | None = None
        for stored in candidates or (None,):
            known = (NO_HASH, NO_HASH) if stored is None else (stored.token_hash, stored.previous_hash or NO_HASH)
            for computed in hashes:
                for each in known:
                    if hmac.compare_digest(computed, each) and stored is not None:
                        found = Match(stored, each, hashes[0])
        return found


def _hash(key: bytes, token: str) -> str:
    return hmac.digest(key, token.encode(), "sha256").hex()
