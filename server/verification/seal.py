"""The seal: the digest of a whole edition, in the comment at the very end of its zip archive.

Every byte of the file but the sixty-four of the digest itself is under it: the shell header, the members, the dead
bytes between them, the directory and the words that announce the seal. It finds damage, and changes by somebody who
does not know of it. It is no signature: who can write the file can seal it again, and only a digest that came another
way (``SHA256SUMS``, the provenance) tells that.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_ANNOUNCED = b"flovyn-seal:"
_DIGITS = 64

BLANK = _ANNOUNCED + b"0" * _DIGITS
"""The comment of an archive that is about to be sealed."""


def seal(path: Path) -> None:
    """Write the digest into a file that ends with ``BLANK``."""
    content = path.read_bytes()
    if not content.endswith(BLANK):
        raise ValueError(f"{path} does not end with a blank seal")
    with path.open("r+b") as file:
        file.seek(-_DIGITS, 2)
        file.write(_digest(memoryview(content)))


def problem(content: bytes | bytearray) -> str | None:
    """Return what is wrong with the seal of a file's content, or None."""
    view = memoryview(content)
    if bytes(view[-len(BLANK) : -_DIGITS]) != _ANNOUNCED:
        return "has no seal at its end: it was cut off, changed, or made by another builder"
    if bytes(view[-_DIGITS:]) != _digest(view):
        return "is not what was sealed: its digest differs"
    return None


def _digest(content: memoryview) -> bytes:
    return hashlib.sha256(content[:-_DIGITS]).hexdigest().encode()
