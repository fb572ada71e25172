"""Starts of agents by calls."""

from __future__ import annotations

import json
from uuid import uuid4

from core.errors import InvalidInput
from core.fields import name_field, queue_field
from core.launchers import AgentLaunch, Launched
from core.limits import MAX_METADATA_BYTES, MAX_METADATA_KEYS
from core.payload import Json
from core.tracing import context_to_store
from server.domain.agent import ClaimedAgent, NewAgent, PersistenceMode
from server.domain.idempotency import Entity
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.wakeups import Waker
from server.engine.keyed_starts import KeyedStarts
from server.storage.repositories import Repositories


class AgentStarts:
    """The call that starts agents. Concurrent starts are written as one batch."""

    def __init__(
        self, storage: Repositories, direct_dispatch: DirectDispatch[NewAgent, ClaimedAgent], wake: Waker
    ) -> None:
        self._starts: KeyedStarts[NewAgent, ClaimedAgent] = KeyedStarts(
            Entity.AGENT,
            storage,
            start=storage.agents.start,
            insert=storage.agents.insert,
            direct_dispatch=direct_dispatch,
            wake=wake,
        )

    async def start(self, launch: AgentLaunch) -> Launched:
        """Start an agent, or find the one that its idempotency key leads to; committed when this returns.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant does not exist.
            AlreadyExists: the key leads to a workflow, a task or a promise.
        """
        return await self._starts.start(new_agent(launch), launch.idempotency_key)

    async def close(self) -> None:
        """Wait until all accepted starts are committed."""
        await self._starts.close()


def new_agent(launch: AgentLaunch) -> NewAgent:
    """Return the agent of a launch, with checked fields.

    Raises:
        InvalidInput: a field is not valid; the message names it.
    """
    return NewAgent(
        tenant_id=launch.tenant_id,
        id=uuid4(),
        kind=name_field(launch.kind, "kind"),
        queue=queue_field(launch.queue),
        input=launch.input,
        persistence_mode=persistence_mode(launch.persistence_mode, "persistenceMode"),
        metadata=metadata_object(launch.metadata),
        trace=context_to_store("agent"),
    )


def persistence_mode(text: str, field: str) -> PersistenceMode:
    """Return the persistence mode of a name in any case; an empty text means REMOTE.

    Raises:
        InvalidInput: there is no such mode.
    """
    try:
        return PersistenceMode(text.upper() or PersistenceMode.REMOTE)
    except ValueError:
        modes = ", ".join(PersistenceMode)
        raise InvalidInput(f"{field} must be one of {modes}") from None


def metadata_object(metadata: Json) -> Json:
    """Return the metadata of an agent, which is a JSON object that can be searched.

    Raises:
        InvalidInput: it is no object, too large, or holds what PostgreSQL cannot search.
    """
    found = json.loads(metadata)
    if not isinstance(found, dict):
        raise InvalidInput('metadata must be a JSON object, such as {"team":"a"}')
    if len(found) > MAX_METADATA_KEYS:
        raise InvalidInput(f"metadata has {len(found)} keys; at most {MAX_METADATA_KEYS} are allowed")
    if len(metadata.encode()) > MAX_METADATA_BYTES:
        raise InvalidInput(f"metadata is larger than {MAX_METADATA_BYTES} bytes")
    if "\x00" in json.dumps(found, ensure_ascii=False):
        raise InvalidInput("metadata holds a NUL character, which cannot be stored")
    return metadata
