"""The one rule about texts: they consist of whole characters (Unicode scalar values), and none of those is NUL.

PostgreSQL, HTTP answers and the workers' parsers take no other text. Python does: a ``str`` may hold half of a
character (a lone surrogate), which fails only when it is encoded, in a batch with other callers' items. So texts are
checked where they come in: ``server.rest_api.text_gate`` and ``server.grpc_api.text_gate``.
"""

from __future__ import annotations

NUL = "\x00"


def is_whole(text: str) -> bool:
    """Return whether a text consists of whole characters."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def flaw(text: str) -> str | None:
    """Return the fault of a text, as the end of a sentence; None when it can be stored."""
    if NUL in text:
        return "holds a NUL character, which cannot be stored"
    if not is_whole(text):
        return "holds half of a character (a lone surrogate), which cannot be stored"
    return None
