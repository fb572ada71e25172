"""``flovyn.v1.WorkflowQuery``: not offered, and said so. No worker of the existing families answers queries."""

from __future__ import annotations

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService
from core.errors import NotOffered
from proto.flovyn.v1 import query_pb2 as pb


class WorkflowQuery:
    """Handlers of the service."""

    def service(self) -> GrpcService:
        """Return the service."""
        methods = {"QueryWorkflow": GrpcMethod(self.query_workflow, Action.VIEW, "workflow-execution")}
        return GrpcService(pb.DESCRIPTOR.services_by_name["WorkflowQuery"], methods)

    async def query_workflow(self, request: pb.QueryWorkflowRequest, identity: Identity) -> pb.QueryWorkflowResponse:
        """Refuse."""
        raise NotOffered("this server offers no queries to running workflows; read the run's events instead")
