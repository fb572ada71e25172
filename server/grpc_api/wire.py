"""Parsing of request messages. A large message is parsed in pieces, after its fields were counted on the wire.

Parsing 4 MiB of tiny fields takes 120 ms and much memory, and the parser cannot be interrupted. A piece of a message
ends where a field ends. Merging the pieces one by one gives the message: protobuf defines concatenation so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from core import limits
from core.errors import InvalidInput
from core.pacing import CHUNK_BYTES, paced

_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_CONTINUED = 0x80

_LIMITS: Mapping[str, int] = {
    "flovyn.v1.PollRequest.workflow_capabilities": limits.MAX_KINDS,
    "flovyn.v1.PollTaskRequest.worker_labels": limits.MAX_LABELS,
    "flovyn.v1.PollAgentRequest.agent_capabilities": limits.MAX_KINDS,
    "flovyn.v1.ScheduleAgentTaskHeader.metadata": limits.MAX_METADATA_KEYS,
    "flovyn.v1.WorkerRegistrationRequest.agents": limits.MAX_KINDS,
    "flovyn.v1.WorkerRegistrationRequest.workflows": limits.MAX_KINDS,
    "flovyn.v1.WorkerRegistrationRequest.tasks": limits.MAX_KINDS,
    "flovyn.v1.WorkflowCapability.tags": limits.MAX_TAGS,
    "flovyn.v1.TaskCapability.tags": limits.MAX_TAGS,
    "flovyn.v1.StartWorkflowRequest.metadata": limits.MAX_METADATA_KEYS,
    "flovyn.v1.SignalWithStartWorkflowRequest.metadata": limits.MAX_METADATA_KEYS,
    "flovyn.v1.SubmitTaskRequest.metadata": limits.MAX_METADATA_KEYS,
    "flovyn.v1.ReportExecutionSpansRequest.spans": limits.MAX_SPANS,
    "flovyn.v1.ExecutionSpan.attributes": limits.MAX_ATTRIBUTES,
}
"""Limits of repeated fields; every other repeated field, also of a plugin's message, has ``MAX_REPEATED``."""

COMMANDS = "flovyn.v1.SubmitWorkflowCommandsRequest.commands"


_TOO_FEW_BYTES = 2 * min(_LIMITS.values())
"""A message of so many bytes has no field with too many entries: each entry takes at least two bytes."""


class _Repeated(NamedTuple):
    name: str
    full_name: str
    inner: Descriptor | None


class SerializedMessage:
    """A large response that is serialized already, in parts: parts of a message, one after the other, are the message.

    Serializing 50 MiB at once holds the event loop for longer than a call may.
    """

    def __init__(self, message_class: type[Message], parts: Sequence[bytes]) -> None:
        self.message_class = message_class
        self._parts = parts

    def ListFields(self) -> Sequence[bytes]:  # noqa: N802 - the name that messages have for it
        """Return the parts; none where no field is set."""
        return self._parts

    def ByteSize(self) -> int:  # noqa: N802
        """Return the number of bytes."""
        return sum(map(len, self._parts))

    def SerializeToString(self) -> bytes:  # noqa: N802
        """Return the whole message."""
        return b"".join(self._parts)


class _NotAMessage(Exception):
    """The bytes are no message."""


def parsed(request_class: type[Message], data: bytes) -> Message:
    """Return the message in ``data``, which is small.

    Raises:
        InvalidInput: the bytes are no such message.
    """
    try:
        return request_class.FromString(data)
    except DecodeError:
        raise message_error(request_class) from None


async def parsed_in_turns(request_class: type[Message], data: bytes, max_commands: int) -> Message:
    """Return the message in ``data``, of any size: count its fields, then parse it in turns (``core.pacing``).

    Raises:
        InvalidInput: the bytes are no such message, or it has too many fields or entries.
    """
    descriptor: Any = request_class.DESCRIPTOR
    try:
        message = request_class()
        for piece in await paced(len(data), partial(pieces, data, descriptor)):
            await paced(len(piece), partial(message.MergeFromString, piece))
    except (DecodeError, _NotAMessage):
        raise message_error(request_class) from None
    check_counts(message, descriptor, max_commands)
    return message


def text_on_wire(data: bytes, number: int) -> str | None:
    """Return the text of a field of the outermost message without parsing the message; the last value counts.

    None where the bytes are no message, or have more than ``MAX_WIRE_FIELDS`` fields.
    """
    value = b""
    position = 0
    try:
        for _ in range(limits.MAX_WIRE_FIELDS):
            if position >= len(data):
                break
            tag, position = _varint(data, position, len(data))
            begin, position = _skipped(data, position, len(data), tag & 7)
            if tag == number << 3 | _SIZED:
                value = data[begin:position]
        return value.decode() if position == len(data) else None
    except (_NotAMessage, UnicodeDecodeError):
        return None


def pieces(data: bytes, descriptor: Descriptor) -> list[bytes]:
    """Return ``data`` in pieces of about ``CHUNK_BYTES`` that end where a field ends.

    Raises:
        InvalidInput: there are more than ``MAX_WIRE_FIELDS`` fields, those of large parts included.
    """
    if len(data) <= CHUNK_BYTES:
        return [data]
    found, begin = [], 0
    for end in _ends(data, descriptor):
        if end - begin >= CHUNK_BYTES:
            found.append(data[begin:end])
            begin = end
    return [*found, data[begin:]]


def check_small_counts(message: Message, size: int, max_commands: int) -> None:
    """Check the counts of a message of ``size`` bytes on the wire, where so many bytes can hold too many entries.

    Raises:
        InvalidInput: as ``check_counts``.
    """
    if size > _TOO_FEW_BYTES:
        descriptor: Any = message.DESCRIPTOR
        check_counts(message, descriptor, max_commands)


def check_counts(message: Message, descriptor: Descriptor, max_commands: int) -> None:
    """Check that no repeated field of the message, or of a message inside of it, has too many entries.

    Raises:
        InvalidInput: a field has too many; the text names it.
    """
    for field in _repeated(descriptor):
        entries: Any = getattr(message, field.name)
        limit = max_commands if field.full_name == COMMANDS else _LIMITS.get(field.full_name, limits.MAX_REPEATED)
        if len(entries) > limit:
            raise InvalidInput(f"{field.name} has {len(entries)} entries; at most {limit} are allowed")
        if field.inner is not None:
            for entry in entries:
                check_counts(entry, field.inner, max_commands)


def message_error(request_class: type[Message]) -> InvalidInput:
    """Return the error of bytes that are no message of this class."""
    return InvalidInput(f"the request is not a valid {request_class.DESCRIPTOR.full_name}")


@cache
def _repeated(descriptor: Descriptor) -> tuple[_Repeated, ...]:
    """Return the repeated fields of a message; ``inner`` is set where the entries have repeated fields, too."""
    return tuple(
        _Repeated(field.name, field.full_name, _with_repeated(field))
        for field in descriptor.fields
        if field.is_repeated
    )


def _with_repeated(field: FieldDescriptor) -> Descriptor | None:
    inner = field.message_type
    is_map = inner is not None and inner.GetOptions().map_entry
    return inner if inner is not None and not is_map and any(each.is_repeated for each in inner.fields) else None


def _ends(data: bytes, descriptor: Descriptor) -> Iterator[int]:
    """Yield where each field of the message ends, counting the fields of large parts as well."""
    count = 0
    open_parts = [(0, len(data), descriptor)]
    outermost = True
    while open_parts:
        position, end, inside = open_parts.pop()
        while position < end:
            count += 1
            if count > limits.MAX_WIRE_FIELDS:
                raise InvalidInput(
                    f"the request has more than {limits.MAX_WIRE_FIELDS} fields; divide it into several requests"
                )
            tag, position = _varint(data, position, end)
            begin, position = _skipped(data, position, end, tag & 7)
            part = _part(inside, tag >> 3) if position - begin > CHUNK_BYTES else None
            if part is not None:
                open_parts.append((begin, position, part))
            if outermost:
                yield position
        if position != end:
            raise _NotAMessage
        outermost = False


def _part(descriptor: Descriptor, number: int) -> Descriptor | None:
    field = descriptor.fields_by_number.get(number)
    return None if field is None else field.message_type


def _skipped(data: bytes, position: int, end: int, kind: int) -> tuple[int, int]:
    """Return where the value of a field begins and ends. Groups are refused: no message of this API has one."""
    if kind == _SIZED:
        size, position = _varint(data, position, end)
        return position, position + size
    if kind == _VARINT:
        return position, _varint(data, position, end)[1]
    if kind not in _FIXED:
        raise _NotAMessage
    return position, position + _FIXED[kind]


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < _CONTINUED:
            return value, position
        shift += 7
        if shift > 63:  # noqa: PLR2004 - a varint has at most 64 bits
            raise _NotAMessage
    raise _NotAMessage
