"""``[plugins.worker_token]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from core.settings import at_least

MIN_SECRET = 32
"""Characters: what ``openssl rand -base64 24`` gives."""


class WorkerTokenConfig(BaseModel):
    """Settings of the plugin.

    ``secret`` keys the HMAC under which tokens are stored; whoever has it and the table can still not
    recover a token. ``prefix`` begins every token.
    """

    secret: Annotated[SecretStr, at_least(MIN_SECRET)] | None = None
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,7}_$")] = "fwt_"
