"""``[plugins.hello_world]``."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr

from core.settings import at_least


class HelloWorldConfig(BaseModel):
    """Settings of the plugin.

    ``visitor_key`` is a bearer token that admits its holder to ``visitor_tenant``, where the configuration lists the
    authenticator ``hello_world``. Greetings are forgotten after ``keep_days``.
    """

    visitor_key: Annotated[SecretStr, at_least(16)] | None = None
    visitor_tenant: UUID | None = None
    keep_days: int = Field(default=30, ge=1, le=3650)
