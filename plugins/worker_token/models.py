"""Bodies and query strings of the REST API; the OpenAPI document is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from core.paging import CursorPage, CursorQuery
from core.rest_model import Moment, RestModel, Text
from plugins.worker_token.domain import MAX_DESCRIPTION, MAX_DISPLAY_NAME, MAX_OVERLAP, GeneratedToken, WorkerToken


class CreateToken(RestModel):
    """A token to create."""

    display_name: Annotated[Text, Field(max_length=MAX_DISPLAY_NAME)]
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] = ""
    expires_at: Moment | None = Field(default=None, description="when it stops being valid; never if left out")


class RotateToken(RestModel):
    """How to rotate a token."""

    overlap_seconds: int = Field(
        default=0,
        ge=0,
        le=int(MAX_OVERLAP.total_seconds()),
        description="for how long the replaced token stays valid beside the new one",
    )


class TokenQuery(CursorQuery):
    """Which tokens to list."""

    include_revoked: bool = False


class NewToken(RestModel):
    """A new secret; ``token`` is shown this once. What was not given at the creation is left out."""

    id: UUID
    token: str
    display_name: str
    prefix: str
    created_at: datetime
    description: str | None = None
    expires_at: datetime | None = None
    previous_valid_until: datetime | None = None

    @classmethod
    def of(cls, stored: WorkerToken, generated: GeneratedToken) -> NewToken:
        """Return the body of a token that was just made or rotated."""
        return cls(
            id=stored.id,
            token=generated.token,
            display_name=stored.display_name,
            prefix=stored.token_prefix,
            created_at=stored.created_at,
            description=stored.description or None,
            expires_at=stored.expires_at,
            previous_valid_until=stored.previous_until,
        )

    def as_json(self) -> dict[str, Any]:
        """Return the members that have a value."""
        return {name: value for name, value in super().as_json().items() if value is not None}


class TokenBody(RestModel):
    """A token without its secret."""

    id: UUID
    display_name: str
    description: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")
    rotated_at: datetime | None
    previous_valid_until: datetime | None = Field(description="until when the secret before the last rotation is valid")
    revoked_at: datetime | None

    @classmethod
    def of(cls, stored: WorkerToken) -> TokenBody:
        """Return the body of a token."""
        return cls(
            id=stored.id,
            display_name=stored.display_name,
            description=stored.description,
            prefix=stored.token_prefix,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
            last_used_at=stored.last_used_at,
            rotated_at=stored.rotated_at,
            previous_valid_until=stored.previous_until,
            revoked_at=stored.revoked_at,
        )


class TokenList(CursorPage):
    """A page of tokens, oldest first."""

    tokens: list[TokenBody]
