"""Where a tenant's things are served: one canonical place, and the places that older clients know."""

from __future__ import annotations

CANONICAL = "/api/v1/tenants/{slug}"
OLDER = ("/api/tenants/{slug}", "/api/orgs/{slug}")


def canonical(path: str) -> str:
    """Return the place of a tenant's thing, such as ``/task-executions``."""
    return CANONICAL + path


def older(*paths: str) -> tuple[str, ...]:
    """Return the places where older clients look for it, under each of its names."""
    return tuple(base + path for path in paths for base in OLDER)
