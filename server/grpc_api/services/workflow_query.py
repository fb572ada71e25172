"""``flovyn.v1.WorkflowQuery``: not offered, because no existing worker answers queries."""

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
        """Refuse the call."""
        raise NotOffered("queries of running workflows are not offered; read the events of the workflow instead")
