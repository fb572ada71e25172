"""``flovyn.v1.WorkerLifecycle``: workers register themselves and send heartbeats."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

from google.protobuf import empty_pb2

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService, Repeat
from core.errors import InvalidInput
from core.fields import free_text, name_field, optional_text
from core.pacing import paced
from core.payload import dump
from proto.flovyn.v1 import worker_pb2 as pb
from server.domain.worker import Category, Definition, Registration
from server.engine.tasks.workers import Workers
from server.grpc_api.conversions import optional_payload, tenant_of, uuid_field

_WORKER_TYPES = ("WORKFLOW", "TASK", "UNIFIED")


class WorkerLifecycle:
    """Handlers of the service."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def service(self) -> GrpcService:
        """Return the service with the methods that this server offers."""
        methods = {
            "RegisterWorker": GrpcMethod(
                self.register_worker, Action.CREATE, "worker", repeat=Repeat.LAST, free_texts=("description",)
            ),
            "SendHeartbeat": GrpcMethod(self.send_heartbeat, Action.HEARTBEAT, "worker"),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["WorkerLifecycle"], methods)

    async def register_worker(
        self, request: pb.WorkerRegistrationRequest, identity: Identity
    ) -> pb.WorkerRegistrationResponse:
        """Store a worker; answer the id of its name. Several workers may have one name and the same kinds."""
        worker_id = await self._workers.register(
            Registration(
                tenant_id=uuid_field(request.tenant_id, "tenant_id"),
                worker_id=uuid4(),
                worker_name=name_field(request.worker_name, "worker_name"),
                worker_version=optional_text(request.worker_version, "worker_version"),
                worker_type=_worker_type(request.worker_type),
                team_id=optional_text(request.team_id, "team_id") if request.HasField("team_id") else None,
                host_name=optional_text(request.host_name, "host_name"),
                process_id=optional_text(request.process_id, "process_id"),
                metadata=optional_payload(request.metadata, "metadata"),
                definitions=await _definitions(request),
            )
        )
        return pb.WorkerRegistrationResponse(worker_id=str(worker_id), success=True)

    async def send_heartbeat(self, request: pb.WorkerHeartbeatRequest, identity: Identity) -> empty_pb2.Empty:
        """Store that a worker is alive. The kinds in the message are ignored: they repeat the registration."""
        await self._workers.heartbeat((tenant_of(identity), name_field(request.worker_id, "worker_id")))
        return empty_pb2.Empty()


def _worker_type(value: str) -> str:
    if value not in _WORKER_TYPES:
        raise InvalidInput(f"worker_type must be one of {', '.join(_WORKER_TYPES)}")
    return value


async def _definitions(request: pb.WorkerRegistrationRequest) -> tuple[Definition, ...]:
    """Return the kinds of the worker, each once: the last entry of a kind counts."""
    unique: dict[tuple[Category, str], Definition] = {}
    for category, capabilities in ((Category.WORKFLOW, request.workflows), (Category.TASK, request.tasks)):
        for each in capabilities:
            read = partial(_definition, category, each)
            unique[category, each.kind] = await paced(each.ByteSize(), read)
    for agent in request.agents:
        unique[Category.AGENT, agent.kind] = await paced(agent.ByteSize(), partial(_agent_definition, agent))
    return tuple(unique.values())


def _definition(category: Category, capability: pb.WorkflowCapability | pb.TaskCapability) -> Definition:
    version = content_hash = ""
    if isinstance(capability, pb.WorkflowCapability):
        version = optional_text(capability.version, "version")
        content_hash = optional_text(capability.content_hash, "content_hash")
    return Definition(
        category=category,
        kind=name_field(capability.kind, "kind"),
        name=optional_text(capability.name, "name"),
        description=free_text(capability.description),
        version=version,
        content_hash=content_hash,
        timeout_seconds=capability.timeout_seconds if capability.HasField("timeout_seconds") else None,
        cancellable=capability.cancellable,
        tags=dump(list(capability.tags)),
        retry_policy=optional_payload(capability.retry_policy, "retry_policy"),
        input_schema=optional_payload(capability.input_schema, "input_schema"),
        output_schema=optional_payload(capability.output_schema, "output_schema"),
        metadata=optional_payload(capability.metadata, "metadata"),
    )


def _agent_definition(capability: pb.AgentCapability) -> Definition:
    return Definition(
        category=Category.AGENT,
        kind=name_field(capability.kind, "kind"),
        name=optional_text(capability.name, "name"),
        description=free_text(capability.description),
        version="",
        content_hash="",
        timeout_seconds=None,
        cancellable=True,
        tags=dump([]),
        retry_policy=None,
        input_schema=optional_payload(capability.input_schema, "input_schema"),
        output_schema=None,
        metadata=optional_payload(capability.metadata, "metadata"),
    )
