"""A tenant: the owner of workflows, workers and tokens, and the border nothing crosses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.errors import InvalidInput

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant to create."""

    id: UUID
    slug: str
    name: str
    tier: str = "FREE"
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Tenant(NewTenant):
    """A stored tenant."""

    created_at: datetime | None = None


def check_slug(slug: str) -> str:
    """Return ``slug`` when it can stand in a URL and in a host name.

    Raises:
        InvalidInput: it is empty, too long, or has other characters.
    """
    if not is_slug(slug):
        raise InvalidInput(
            f"slug {slug!r} is not valid: use 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit;"
            " it must not look like a UUID"
        )
    return slug


def is_slug(text: str) -> bool:
    """Whether the text can be a tenant's slug: it fits into a URL, and cannot be taken for a tenant's id."""
    if not _SLUG.fullmatch(text):
        return False
    try:
        UUID(text)
    except ValueError:
        return True
    return False
