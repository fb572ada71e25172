"""``[log]`` and ``[metrics]``: log lines and metrics of the server."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from server.config.auth import Section


class Log(Section):
    """``[log]``: the log, which goes to standard error.

    Attributes:
        level: the least important level that is written.
        format: ``auto`` is text on a terminal and JSON otherwise.
        call_sample: share of successful calls, from 0 to 1, whose line is written at the level ``info``; the others
            have the level ``debug``.
        slow_call: seconds after which a call leaves a warning; the time for which a poll is parked does not count.
        slow_statement: seconds after which a statement of the database leaves a warning.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"
    call_sample: float = Field(default=0.0, ge=0, le=1)
    slow_call: float = Field(default=2.0, gt=0)
    slow_statement: float = Field(default=1.0, gt=0)


class MetricsSettings(Section):
    """``[metrics]``: the metrics, which ``/_/metrics`` shows.

    Attributes:
        enabled: false records nothing.
        port: port for scrapes without credentials; without this key, there is none. Only the collector of metrics
            should reach it.
        host: address of that port.
        queues: number of queues of each category that a worker process names in metrics; further ones are ``other``.
        tenants: ids of the tenants whose work is also counted apart. Without this key, none is.
    """

    enabled: bool = True
    port: int | None = Field(default=None, ge=1, le=65535)
    host: str = "127.0.0.1"
    queues: int = Field(default=50, ge=0, le=500)
    tenants: Annotated[tuple[UUID, ...], Field(max_length=100)] | None = None
