"""Large gRPC messages: counted before they are parsed, and parsed in pieces that make the same message."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.limits import MAX_KINDS, MAX_REPEATED, MAX_SPANS, MAX_TAGS, MAX_WIRE_FIELDS
from core.pacing import CHUNK_BYTES
from proto.flovyn.v1 import task_pb2, worker_pb2, workflow_pb2
from server.config.limits import Limits
from server.grpc_api.wire import check_counts, check_small_counts, parsed, parsed_in_turns, pieces, text_on_wire

COMMANDS = Limits().commands
SUBMISSION: Any = workflow_pb2.SubmitWorkflowCommandsRequest.DESCRIPTOR
EMPTY_COMMAND = b"\x12\x00"
REGISTRATION: Any = worker_pb2.WorkerRegistrationRequest


def _command(number: int, size: int) -> workflow_pb2.WorkflowCommand:
    operation = workflow_pb2.RecordOperationCommand(operation_name=f"n{number}", result=b"x" * size)
    return workflow_pb2.WorkflowCommand(sequence_number=number, record_operation=operation)


@given(st.lists(st.integers(0, CHUNK_BYTES), max_size=20))
@settings(max_examples=30)
def test_the_pieces_of_a_message_make_the_message(sizes: list[int]) -> None:
    request = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id="w",
        commands=[_command(*each) for each in enumerate(sizes)],
        status="WORKFLOW_STATUS_RUNNING",
    )
    data = request.SerializeToString()
    found = pieces(data, SUBMISSION)
    merged = workflow_pb2.SubmitWorkflowCommandsRequest()
    for each in found:
        merged.MergeFromString(each)
    assert b"".join(found) == data
    assert merged == request
    assert all(len(each) >= CHUNK_BYTES for each in found[:-1])


@pytest.mark.parametrize(
    ("request_class", "data"),
    [
        (workflow_pb2.SubmitWorkflowCommandsRequest, EMPTY_COMMAND * (2 * MAX_WIRE_FIELDS + CHUNK_BYTES)),
        (workflow_pb2.PollRequest, b"\x32\x00" * (2**20)),
        (workflow_pb2.PollRequest, b"\x98\x06\x01" * (2**20)),  # fields that no message has
        (workflow_pb2.StartWorkflowRequest, b"\x22\x03\x0a\x01a" * (2**20 // 5)),
        (workflow_pb2.SubmitWorkflowCommandsRequest, None),  # one command that is set again and again
    ],
)
async def test_too_many_fields_are_refused_before_anything_is_parsed(
    request_class: type[Message], data: bytes | None
) -> None:
    if data is None:
        inner = b"\x6a\x02\x12\x00" * 200_000
        data = b"\x12" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7 & 0x7F | 0x80, len(inner) >> 14]) + inner

    untouched: Any = type("Untouched", (), {"DESCRIPTOR": request_class.DESCRIPTOR})  # has nothing that parses
    with pytest.raises(InvalidInput, match=f"more than {MAX_WIRE_FIELDS} fields"):
        await parsed_in_turns(untouched, data, COMMANDS)


@pytest.mark.parametrize("before", [b"", b"\x0a\x80\x80\x08" + b"x" * 2**17])
@pytest.mark.parametrize("data", [b"\x12", b"\x12\x7f", b"\xff" * 20, b"\x0a\x04abc", b"\xa3\x06"])
async def test_bytes_that_are_no_message_are_refused_at_any_size(before: bytes, data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"not a valid flovyn\.v1\.SubmitWorkflowCommandsRequest"):
        await parsed_in_turns(workflow_pb2.SubmitWorkflowCommandsRequest, before + data, COMMANDS)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (workflow_pb2.SubmitWorkflowCommandsRequest(commands=[{}] * (COMMANDS + 1)), "commands"),
        (workflow_pb2.PollRequest(workflow_capabilities=["k"] * (MAX_KINDS + 1)), "workflow_capabilities"),
        (REGISTRATION(workflows=[{}] * (MAX_KINDS + 1)), "workflows"),
        (REGISTRATION(tasks=[{}] * (MAX_KINDS + 1)), "tasks"),
        (REGISTRATION(tasks=[{"tags": ["t"] * (MAX_TAGS + 1)}]), "tags"),
        (REGISTRATION(workflows=[{}, {"tags": ["t"] * (MAX_TAGS + 1)}]), "tags"),
        (REGISTRATION(agents=[{}] * (MAX_REPEATED + 1)), "agents"),
        (worker_pb2.WorkerHeartbeatRequest(task_kinds=["k"] * (MAX_REPEATED + 1)), "task_kinds"),
        (task_pb2.PollTaskRequest(worker_labels={str(n): "" for n in range(101)}), "worker_labels"),
        (workflow_pb2.StartWorkflowRequest(metadata={str(n): "" for n in range(51)}), "metadata"),
        (workflow_pb2.ReportExecutionSpansRequest(spans=[{}] * (MAX_SPANS + 1)), "spans"),
        (
            workflow_pb2.ReportExecutionSpansRequest(spans=[{"attributes": {str(n): "" for n in range(129)}}]),
            "attributes",
        ),
    ],
)
def test_a_repeated_field_with_one_entry_too_many_is_refused_by_name(message: Message, field: str) -> None:
    descriptor: Any = message.DESCRIPTOR
    with pytest.raises(InvalidInput, match=f"{field} has [0-9]+ entries; at most [0-9]+ are allowed"):
        check_counts(message, descriptor, COMMANDS)


def test_as_many_entries_as_are_allowed_pass() -> None:
    tags = ["t"] * MAX_TAGS
    message = REGISTRATION(workflows=[{"tags": tags}] * 10, tasks=[{}] * MAX_KINDS)
    check_counts(message, message.DESCRIPTOR, COMMANDS)


def test_the_smallest_message_with_too_many_entries_is_refused() -> None:
    """Each entry takes two bytes."""
    data = b"".join(b"\x22\x03\x0a\x01%c" % n for n in range(51))
    message = parsed(workflow_pb2.StartWorkflowRequest, data)
    with pytest.raises(InvalidInput, match="metadata has 51 entries"):
        check_small_counts(message, len(data), COMMANDS)


@given(st.lists(st.text(max_size=20), max_size=3), st.text(max_size=20), st.booleans())
def test_a_text_on_the_wire_is_the_text_that_the_parser_reads(texts: list[str], kind: str, first: bool) -> None:  # noqa: FBT001
    """The last one counts where the field comes several times."""
    parts = [workflow_pb2.StartWorkflowRequest(tenant_id=text).SerializeToString() for text in texts]
    other = workflow_pb2.StartWorkflowRequest(workflow_kind=kind, metadata={"a": kind}).SerializeToString()
    data = b"".join([other, *parts] if first else [*parts, other])
    assert text_on_wire(data, 1) == workflow_pb2.StartWorkflowRequest.FromString(data).tenant_id


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\x7f", b"\xff" * 20, b"\x0a\x01\xff", b"\xa3\x06\xa4\x06", b"\x98\x06\x01" * 10_001]
)
def test_bytes_that_are_no_message_have_no_text(data: bytes) -> None:
    assert text_on_wire(data, 1) is None
