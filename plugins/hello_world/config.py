"""``[plugins.hello_world]``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from core.settings import at_least


class HelloWorldConfig(BaseModel):
    """Settings of the plugin.

    Attributes:
        visitor_key: bearer token that admits its holder to ``visitor_tenant``, where the configuration lists the
            authenticator ``hello_world``.
        visitor_tenant: the tenant's id.
        keep_days: days after which greetings are forgotten.
    """

    visitor_key: Annotated[SecretStr, at_least(16)] | None = None
    visitor_tenant: UUID | None = None
    keep_days: int = Field(default=30, ge=1, le=3650)
