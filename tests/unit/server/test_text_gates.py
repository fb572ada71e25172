"""The gates of both APIs: whatever the bytes, what passes is a text that can be stored."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from core.auth import Authenticator, AuthError, AuthRequest, AuthResponse, Identity, PrincipalType, Protocol
from core.errors import InvalidInput
from core.fields import free_text, optional_text
from core.text import flaw
from proto.flovyn.v1 import worker_pb2, workflow_pb2
from server.auth.stack import Checks
from server.auth.tenant_scope import NoopAuthorizer
from server.grpc_api.text_gate import check_message, check_metadata
from server.rest_api.text_gate import body_text

_ANY_TEXT = st.text(st.characters(categories=None), max_size=20) | st.text("a\x00\ud800\udfff\u202eä", max_size=5)
"""Halves of characters and NUL characters are among them."""


@given(st.binary(max_size=40) | _ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_body_is_its_bytes_in_utf_8_or_is_refused(data: bytes) -> None:
    """Nothing is replaced, guessed or left out."""
    try:
        text = body_text(data, "application/json")
    except InvalidInput:
        assert data.decode(errors="replace").startswith("\ufeff") or "\ufffd" in data.decode(errors="replace")
    else:
        assert text.encode() == data


@given(
    st.text(max_size=40) | st.sampled_from(["a; charset", "a; charset=", ";", "a;charset=utf-8;charset=utf-16", '"'])
)
def test_any_content_type_is_taken_or_refused(content_type: str) -> None:
    """A content type that cannot be parsed names no charset."""
    try:
        body_text(b"{}", content_type)
    except InvalidInput as error:
        assert "charset" in str(error)  # noqa: PT017 - nothing else may be said


@given(_ANY_TEXT, _ANY_TEXT, _ANY_TEXT)
def test_no_message_brings_in_a_nul_character(kind: str, key: str, value: str) -> None:
    """In a text, in a name or a value of a map; texts that are not whole are none to protobuf already."""
    texts = (kind, key, value)
    try:
        message = workflow_pb2.StartWorkflowRequest(workflow_kind=kind, metadata={key: value})
    except (UnicodeEncodeError, DecodeError):
        return
    if any(flaw(text) for text in texts):
        with pytest.raises(InvalidInput, match="NUL"):
            check_message(message.SerializeToString(), message, ())
    else:
        check_message(message.SerializeToString(), message, ())


def test_free_texts_are_left_to_the_handler() -> None:
    """By the name of their field, however deep; all other fields beside them are checked."""
    fail = workflow_pb2.FailWorkflowCommand(error="a\x00")
    request = workflow_pb2.SubmitWorkflowCommandsRequest(commands=[workflow_pb2.WorkflowCommand(fail_workflow=fail)])
    check_message(request.SerializeToString(), request, ("error",))
    with pytest.raises(InvalidInput, match=r"commands\.fail_workflow\.error holds a NUL"):
        check_message(request.SerializeToString(), request, ("reason",))
    tags = worker_pb2.WorkerRegistrationRequest(tasks=[worker_pb2.TaskCapability(tags=["a", "\x00"])])
    with pytest.raises(InvalidInput, match=r"tasks\.tags holds a NUL"):
        check_message(tags.SerializeToString(), tags, ())
    check_message(b"\x00", worker_pb2.WorkerRegistrationRequest(metadata=b"\x00"), ())  # bytes are no text


@given(_ANY_TEXT)
def test_texts_of_launchers_and_metadata_pass_when_they_can_be_stored(text: str) -> None:
    """And only then; a free text is made storable, whole texts unchanged."""
    for check in (lambda: check_metadata({"x": text}), lambda: optional_text(text, "kind")):
        if flaw(text):
            with pytest.raises(InvalidInput, match="cannot be stored"):
                check()
        else:
            check()
    made = free_text(text)
    assert flaw(made) is None
    assert len(made) == len(text)
    assert made == text or flaw(text)


class Names(Authenticator):
    """Finds a caller with the given fields, such as a signed token may hold."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Find it."""
        return AuthResponse(Identity(PrincipalType.USER, **self._fields))


@pytest.mark.parametrize("text", ["\ud800", "a\x00"])
async def test_a_caller_whose_name_cannot_be_stored_is_refused(text: str) -> None:
    """The audit log and the workflows that such a caller cancels would keep the name."""
    for fields in ({"id": text}, {"id": "a", "attributes": {"email": text}}, {"id": "a", "attributes": {text: "a"}}):
        checks = Checks([("names", Names(**fields))], NoopAuthorizer())
        with pytest.raises(AuthError, match="a principal whose id or attribute holds"):
            await checks.authenticate(AuthRequest(Protocol.REST, "/", {}))
