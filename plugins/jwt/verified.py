"""Remembers for a moment which tokens have been verified: a signature costs more than a look into a table."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from core.auth import AuthResponse

MAX_AGE_S: Final = 30.0
"""For how long a token stays good after its key, its tenant or its rights are gone."""
MAX_TOKENS: Final = 10_000


class VerifiedTokens:
    """Answers by the digest of their token, the least recently used forgotten first. Times are seconds since 1970."""

    def __init__(self, size: int = MAX_TOKENS) -> None:
        self._size = size
        self._answers: OrderedDict[bytes, tuple[float, float, AuthResponse]] = OrderedDict()

    def get(self, digest: bytes, now: float) -> AuthResponse | None:
        """Return the answer while it may be used; a clock that was set back ends that, too."""
        entry = self._answers.get(digest)
        if entry is None:
            return None
        begins, ends, answer = entry
        if not begins <= now < ends:
            del self._answers[digest]
            return None
        self._answers.move_to_end(digest)
        return answer

    def put(self, digest: bytes, answer: AuthResponse, now: float, expires: float) -> None:
        """Remember the answer until the token expires, and not for long."""
        self._answers[digest] = (now, min(expires, now + MAX_AGE_S), answer)
        self._answers.move_to_end(digest)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)
