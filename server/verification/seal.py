"""The seal: the digest of a whole edition, in the comment at the end of its zip archive.

The digest covers every byte of the file except its own sixty-four: the shell header, the members, the bytes between
them, the directory and the prefix of the seal. It finds damage and accidental changes. It is no signature: a person who
can write the file can seal it again. Only a digest from another source (``SHA256SUMS``, the provenance) shows that.
"""

from __future__ import annotations

import hashlib

_ANNOUNCED = b"flovyn-seal:"
_DIGITS = 64

BLANK = _ANNOUNCED + b"0" * _DIGITS
"""The comment of an archive before it is sealed."""


def seal(content: bytearray) -> None:
    """Write the digest into the content of a file that ends with ``BLANK``.

    Raises:
        ValueError: it does not end with that.
    """
    if not content.endswith(BLANK):
        raise ValueError("the file does not end with a blank seal")
    content[-_DIGITS:] = _digest(memoryview(content))


def problem(content: bytes | bytearray) -> str | None:
    """Return the problem of the seal of a file's content; None when it is intact."""
    view = memoryview(content)
    if bytes(view[-len(BLANK) : -_DIGITS]) != _ANNOUNCED:
        return "has no seal at its end: it was cut off, changed, or made by another builder"
    if bytes(view[-_DIGITS:]) != _digest(view):
        return "is not what was sealed: its digest differs"
    return None


def _digest(content: memoryview) -> bytes:
    return hashlib.sha256(content[:-_DIGITS]).hexdigest().encode()
