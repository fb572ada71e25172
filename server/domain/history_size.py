"""How large a history may grow before clients cannot receive it any more."""

from __future__ import annotations

CLIENT_LIMIT_MIB = 4
"""What clients of flovyn.v1 accept of one answer, and ``GetEvents`` has no pages."""

WARN_BYTES = 3 * 1024 * 1024


def size_warning(size: int) -> str | None:
    """Return what to say of a history of ``size`` bytes; None for one that is no trouble."""
    if size < WARN_BYTES:
        return None
    return (
        f"the history has about {size} bytes; clients refuse more than {CLIENT_LIMIT_MIB} MiB:"
        " let it continue as a new run, or keep large values elsewhere"
    )
