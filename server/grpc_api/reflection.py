"""Server reflection: tells known clients, such as grpcurl, which services there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME
from grpc_reflection.v1alpha.reflection import aio as reflection

from server.grpc_api.call import Context
from server.grpc_api.guard import GrpcGuard, abort

RESOURCE = "api-docs"


def handlers(guard: GrpcGuard, services: Sequence[str]) -> grpc.GenericRpcHandler:
    """Return the reflection service for the services of these names."""
    servicer = reflection.ReflectionServicer([*services, SERVICE_NAME])
    path = f"/{SERVICE_NAME}/ServerReflectionInfo"

    async def info(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        problem: Exception | None = None
        try:
            async with guard.reflection(path, RESOURCE, context):
                async for response in servicer.ServerReflectionInfo(requests, context):
                    yield response
        except Exception as error:  # noqa: BLE001 - answered, and logged where no caller can cause it
            problem = error
        if problem is not None:
            await abort(context, path, problem)

    handler = grpc.stream_stream_rpc_method_handler(
        info,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(SERVICE_NAME, {"ServerReflectionInfo": handler})
