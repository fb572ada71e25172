"""The id of a request, in its log lines and in the answer to an internal error."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_request_id(given: str | None) -> str:
    """Return the id that the caller gave if it is safe to log, otherwise a new one."""
    return given if given and _ACCEPTED.fullmatch(given) else secrets.token_hex(8)
