"""The paths of a tenant's resources: one canonical path, and the paths of older clients."""

from __future__ import annotations

CANONICAL = "/api/v1/tenants/{slug}"
OLDER = ("/api/tenants/{slug}", "/api/orgs/{slug}")


def canonical(path: str) -> str:
    """Return the canonical path of a resource such as ``/task-executions``."""
    return CANONICAL + path


def older(*paths: str) -> tuple[str, ...]:
    """Return the paths of older clients for each of these names of a resource."""
    return tuple(base + path for path in paths for base in OLDER)
