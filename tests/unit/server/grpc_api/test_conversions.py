"""Fields of messages, and facts about a call, as the handlers get them."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from core.auth import Identity, PrincipalType
from core.errors import InvalidInput
from proto.flovyn.v1 import workflow_pb2
from server.grpc_api.call import address_of
from server.grpc_api.call_context import CONNECTION, DEADLINE, MARGIN_S, holder, is_too_late, within_deadline
from server.grpc_api.commands import command_of, inherited_queue
from server.grpc_api.conversions import key_field, optional_payload, optional_uuid, tenant_of, uuid_field

TEXT = "0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d"
START = workflow_pb2.StartWorkflowRequest


@pytest.mark.parametrize("text", ["", TEXT[:-1], TEXT.replace("-", ""), f"{{{TEXT}}}", f" {TEXT}", f"urn:uuid:{TEXT}"])
def test_only_the_usual_form_of_a_uuid_is_one(text: str) -> None:
    assert uuid_field(TEXT.upper(), "id") == optional_uuid(TEXT) == UUID(TEXT)
    assert optional_uuid(text) is None
    with pytest.raises(InvalidInput, match="workflow_id must be a UUID"):
        uuid_field(text, "workflow_id")


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[2001:db8::1]:443", "2001:db8::1"),
        ("unix:", ""),
        ("unix:/run/socket", "/run/socket"),
    ],
)
def test_an_address_is_a_connection_without_its_port(connection: str, address: str) -> None:
    assert address_of(connection) == address


async def test_a_poll_is_answered_before_its_deadline() -> None:
    now = asyncio.get_running_loop().time()
    for deadline, longest in ((None, 60.0), (now + 10, 10 - MARGIN_S), (now + MARGIN_S, MARGIN_S / 2), (now - 1, 0.0)):
        DEADLINE.set(deadline)
        assert within_deadline(60.0) <= longest
        assert is_too_late() == (deadline is not None and deadline < now)


def test_a_holder_is_a_connection_and_a_principal() -> None:
    identity = Identity(PrincipalType.WORKER, "w", UUID(TEXT))
    CONNECTION.set(None)
    assert holder(identity) is None
    CONNECTION.set("ipv4:10.0.0.1:5000")
    assert holder(identity) == f"ipv4:10.0.0.1:5000 {PrincipalType.WORKER}:w"


def test_a_call_without_a_tenant_is_refused_where_its_message_names_none() -> None:
    assert tenant_of(Identity(PrincipalType.WORKER, "w", UUID(TEXT))) == UUID(TEXT)
    with pytest.raises(InvalidInput, match="tenant credentials are required for this call"):
        tenant_of(Identity(PrincipalType.SERVICE, "operator"))


def test_an_empty_payload_and_null_are_none() -> None:
    assert optional_payload(b"", "input") is None
    assert optional_payload(b"null", "input") is None
    assert optional_payload(b"0", "input") == "0"


def test_an_idempotency_key_is_one_that_is_set() -> None:
    assert key_field(START()) is None
    assert key_field(START(idempotency_key="k", idempotency_key_ttl_seconds=60)) is not None
    with pytest.raises(InvalidInput):
        key_field(START(idempotency_key=""))


@pytest.mark.parametrize(("queue", "inherited"), [("", None), ("default", None), ("q", "q")])
def test_a_child_has_the_queue_of_its_parent_unless_it_names_another(queue: str, inherited: str | None) -> None:
    assert inherited_queue(queue) == inherited


def test_a_command_without_data_is_left_out_only_where_it_has_no_type() -> None:
    assert command_of(workflow_pb2.WorkflowCommand()) is None
    with pytest.raises(InvalidInput, match="command_data is required"):
        command_of(workflow_pb2.WorkflowCommand(command_type=workflow_pb2.COMMAND_TYPE_SET_STATE))
