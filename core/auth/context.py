"""The question put to an authorizer, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.auth.identity import Identity


class Action(StrEnum):
    """The kind of access to a resource that a call asks for."""

    VIEW = "view"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    EXECUTE = "execute"
    POLL = "poll"
    COMPLETE = "complete"
    FAIL = "fail"
    HEARTBEAT = "heartbeat"
    MANAGE = "manage"

    @property
    def changes(self) -> bool:
        """Whether the action changes data; views, polls and heartbeats do not."""
        return self not in {Action.VIEW, Action.POLL, Action.HEARTBEAT}


@dataclass(frozen=True, slots=True)
class AuthzContext:
    """One decision to make.

    Attributes:
        identity: who asks.
        action: what for.
        resource: the kind of thing, a singular noun: ``workflow``, ``worker-token``.
        tenant_id: the tenant that the request names; None when it concerns the server as a whole.
    """

    identity: Identity
    action: Action
    resource: str
    tenant_id: UUID | None


@dataclass(frozen=True, slots=True)
class Decision:
    """An authorizer's answer; ``reason`` says why not, in words for the caller."""

    allowed: bool
    reason: str = ""


ALLOW = Decision(allowed=True)


def deny(reason: str) -> Decision:
    """Return a refusal with its reason."""
    return Decision(allowed=False, reason=reason)
