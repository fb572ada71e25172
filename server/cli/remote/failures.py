"""Failures of commands over REST, each with an exit code."""

from __future__ import annotations

from core.errors import FlovynError

FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE, ENDED_BADLY = 1, 2, 3, 4, 5, 6

EXIT_CODES = {
    0: "done",
    FAILED: "the server refused the call, or the command failed",
    USAGE: "wrong usage: nothing was sent",
    NOT_FOUND: "there is no such thing, or the edition does not offer the call",
    REFUSED: "credentials are missing or do not allow this",
    UNREACHABLE: "the server cannot be reached, or cannot serve now",
    ENDED_BADLY: "`workflow watch`: it ended as FAILED or CANCELLED; `audit verify`: the chain is damaged",
    130: "interrupted by Ctrl-C",
}
"""The exit codes of commands over REST."""

_OF_STATUS = {400: FAILED, 401: REFUSED, 403: REFUSED, 404: NOT_FOUND, 429: UNREACHABLE, 502: UNREACHABLE}
_OF_STATUS |= {503: UNREACHABLE, 504: UNREACHABLE}


class CommandFailed(FlovynError):
    """A command over REST has failed.

    Attributes:
        exit_code: the exit code of the program.
    """

    def __init__(self, text: str, exit_code: int = FAILED) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def exit_code_of(status: int) -> int:
    """Return the exit code for an answer with this HTTP status."""
    return _OF_STATUS.get(status, FAILED)
