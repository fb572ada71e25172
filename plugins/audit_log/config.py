"""``[plugins.audit_log]``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field


class Mode(StrEnum):
    """How much a record is worth.

    BEST_EFFORT: calls never wait for the log; events that find no room are dropped, and counted.
    REQUIRED: a call that changes something happens only when the attempt is in the log.
    """

    BEST_EFFORT = "best_effort"
    REQUIRED = "required"


class AuditLogConfig(BaseModel):
    """Settings of the plugin.

    Attributes:
        mode: see ``Mode``.
        reads: whether calls that only look are recorded; empty polls never are.
        record_peer: whether callers' network addresses are recorded.
        queue_size: events that wait in memory, per process, before further ones are dropped.
        flush_interval: seconds after which waiting events are written, in ``best_effort`` mode.
        shutdown_timeout: seconds that a stopping process may take to write what still waits.
        prune_interval: seconds between two looks for events past their retention.
        refusal_sources: sources of unknown callers that are told apart in one minute, per process; the others are
            counted together.
        refusals_keep_days: days for which refusals of unknown callers are kept, unless operators set their retention.
    """

    mode: Mode = Mode.BEST_EFFORT
    reads: bool = False
    record_peer: bool = True
    queue_size: Annotated[int, Field(ge=10, le=1_000_000)] = 20_000
    flush_interval: Annotated[float, Field(gt=0, le=60)] = 0.5
    shutdown_timeout: Annotated[float, Field(gt=0, le=25)] = 5.0
    prune_interval: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    refusal_sources: Annotated[int, Field(ge=0, le=1000)] = 20
    refusals_keep_days: Annotated[int, Field(ge=1, le=36_500)] = 30
