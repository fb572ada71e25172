"""``…/queues``: the queues of a tenant that have work, and whether workers take it."""

from __future__ import annotations

from enum import StrEnum

import falcon.asgi
from pydantic import Field

from core.auth import Action
from core.endpoints import RestRoute
from core.paging import MAX_COUNTED
from core.rest_model import RestModel
from server.domain.queue_view import QueueView
from server.rest_api.tenant_paths import canonical, older
from server.storage.queues import QueueRepository

TAG = "discovery"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class QueueType(StrEnum):
    """The category of the work in a queue; one name may be a queue of each."""

    WORKFLOW = "WORKFLOW"
    TASK = "TASK"
    AGENT = "AGENT"


class QueueBody(RestModel):
    """A queue with the work of one type."""

    name: str
    type: QueueType
    pending: int = Field(description=f"work that waits for a worker; counted up to {MAX_COUNTED}")
    pending_is_exact: bool = Field(description="false: there is more than pending")
    oldest_pending_seconds: float | None = Field(description="how long the oldest pending work has waited")
    running: int = Field(description=f"work that a worker has; of all queues, counted up to {MAX_COUNTED}")
    busy_workers: int = Field(description="workers that have some of the running work")
    online_workers: int = Field(description="online workers that have registered a kind of this work")

    @classmethod
    def of(cls, queue: QueueView) -> QueueBody:
        """Return the body of a queue."""
        return cls(
            name=queue.name,
            type=QueueType(queue.category),
            pending=min(queue.pending, MAX_COUNTED),
            pending_is_exact=queue.pending <= MAX_COUNTED,
            oldest_pending_seconds=None if queue.oldest is None else round(queue.oldest, 3),
            running=min(queue.running, MAX_COUNTED),
            busy_workers=queue.busy_workers,
            online_workers=queue.online_workers,
        )


class QueueList(RestModel):
    """The queues that have pending or running work, by type and name."""

    queues: list[QueueBody]


class Queues:
    """The route of queues."""

    def __init__(self, queues: QueueRepository) -> None:
        self._queues = queues

    def routes(self) -> list[RestRoute]:
        """Return the route."""
        route = RestRoute(
            "GET",
            canonical("/queues"),
            self.list,
            Action.VIEW,
            "workflow-execution",
            "List the queues that have work, with its age and its workers",
            response_model=QueueList,
            aliases=older("/queues"),
            tag=TAG,
        )
        return [route]

    async def list(self, request: Request, response: Response) -> None:
        """List the queues."""
        queues = await self._queues.queues(request.context.tenant_id)
        response.media = QueueList(queues=[QueueBody.of(each) for each in queues]).as_json()
