"""``[limits]``: limits of one worker process. Limits that are not settings: ``core.limits``."""

from __future__ import annotations

from pydantic import Field

from core.limits import KIB, MIB
from server.config.auth import Section


class Limits(Section):
    """``[limits]``: limits on calls, requests and connections of one worker process.

    Attributes:
        grpc_message_bytes: size of a gRPC message that the server receives; clients receive up to 4 MiB.
        commands: commands of one submission.
        calls_per_tenant: calls of a tenant that are under way at a time, parked polls and streams not counted.
        calls_beside_others: calls of a tenant that run at a time while other tenants have calls under way; further ones
            wait, for 30 s at most. A tenant that is alone has no such limit.
        calls_per_connection: of these, calls of one connection.
        bytes_per_tenant: bytes of requests of a tenant that are under way at a time.
        bytes_per_connection: of these, bytes from one connection.
        polls_per_tenant: polls of a tenant that are parked at a time.
        streams_per_grpc_connection: calls of any kind that one gRPC connection carries at a time; the client delays
            further ones.
        rest_connections: connections to REST; the oldest idle one is closed for a new one. Fewer where the process may
            not open so many files.
        grpc_connections: connections to gRPC; further ones are closed. Fewer where the process may not open so many
            files.
        head_timeout: seconds within which a client must send the head of a REST request.
        body_timeout: seconds within which a client must send the body of a REST request.
        idle_timeout: seconds after which a connection to REST without a request is closed.
        answer_timeout: seconds after which a connection to REST is closed whose client reads nothing of an answer.
    """

    grpc_message_bytes: int = Field(default=4 * MIB, ge=64 * KIB, le=64 * MIB)
    commands: int = Field(default=2000, ge=1, le=5000)
    calls_per_tenant: int = Field(default=2000, ge=1)
    calls_beside_others: int = Field(default=16, ge=1)
    calls_per_connection: int = Field(default=1000, ge=1)
    bytes_per_tenant: int = Field(default=64 * MIB, ge=MIB)
    bytes_per_connection: int = Field(default=32 * MIB, ge=MIB)
    polls_per_tenant: int = Field(default=20_000, ge=1)
    streams_per_grpc_connection: int = Field(default=2500, ge=1)
    rest_connections: int = Field(default=1000, ge=1)
    grpc_connections: int = Field(default=2000, ge=4)
    head_timeout: float = Field(default=10.0, gt=0)
    body_timeout: float = Field(default=30.0, gt=0)
    idle_timeout: int = Field(default=2, ge=1)
    answer_timeout: float = Field(default=60.0, gt=0)
