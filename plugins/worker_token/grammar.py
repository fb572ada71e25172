"""The form of a token: the prefix and random letters and digits, so that a double click selects all of it."""

from __future__ import annotations

import re
import secrets
import string
from typing import Final

from plugins.worker_token.domain import PREFIX_LENGTH, GeneratedToken

RANDOM_LENGTH: Final = 43
"""Base-62 characters after the prefix: 256 bits, of which 71 are stored in clear (after ``fwt_``)."""
SHORTEST: Final = 32
LONGEST: Final = 128
"""Base-62 characters that are admitted after the prefix: tokens need not have been made here."""

_ALPHABET: Final = string.ascii_letters + string.digits


class TokenGrammar:
    """Makes texts that are tokens, and knows them again."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._form = re.compile(rf"{re.escape(prefix)}[A-Za-z0-9]{{{SHORTEST},{LONGEST}}}")

    def generate(self) -> GeneratedToken:
        """Return a new token."""
        token = self._prefix + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))
        return GeneratedToken(token, token[:PREFIX_LENGTH])

    def is_token(self, text: str) -> bool:
        """Whether the text wants to be a worker token: then it is one, or is refused."""
        return text.startswith(self._prefix)

    def fits(self, text: str) -> bool:
        """Whether the text can be a worker token."""
        return self._form.fullmatch(text) is not None
