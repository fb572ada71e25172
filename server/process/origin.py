"""Which file this process was started from. Imports nothing heavy: every command asks."""

from __future__ import annotations

import os

_PEX = "PEX"
"""The variable with the file that a PEX was started from."""
_SCIE = "FLOVYN_SCIE"
"""The variable with the file of an edition that carries its interpreter."""


def origin() -> str | None:
    """Return the file of the edition that was started; None when it was not an edition."""
    return os.environ.get(_SCIE) or os.environ.get(_PEX) or None


def unpacked_origin() -> str | None:
    """Return the edition's file that a file with its own interpreter has unpacked; None in all other cases."""
    return os.environ.get(_PEX) or None if _SCIE in os.environ else None
