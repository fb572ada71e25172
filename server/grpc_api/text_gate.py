"""Refuses every text over gRPC that could not be stored or answered, for the methods of plugins, too.

protobuf refuses messages with strings that are not UTF-8 when it parses them. So only the NUL character is left to
find. Bytes that a handler decodes are checked by ``core.payload``. The size of a message bounds its texts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from core.errors import InvalidInput
from core.text import NUL, flaw


def check_message(data: bytes, message: Message, free_texts: Collection[str]) -> None:
    """Check the texts of a parsed message, except for fields in ``free_texts``, whose texts the handler makes storable.

    Raises:
        InvalidInput: a text holds a NUL character.
    """
    if b"\x00" in data:  # few messages hold such a byte, and only their fields are read
        for place, text in _texts(message, "", free_texts):
            if NUL in text:
                raise InvalidInput(f"{place} {flaw(text)}")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Check the texts of the metadata of a call.

    Raises:
        InvalidInput: a text cannot be stored.
    """
    for name, value in metadata.items():
        if problem := flaw(value):
            raise InvalidInput(f"the metadata {name!r} {problem}")


def _texts(message: Message, prefix: str, free_texts: Collection[str]) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if field.name in free_texts:
            continue
        place = prefix + field.name
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            yield from ((f"a name in {place}", key) for key in value if isinstance(key, str))
            yield from _values(entry.fields_by_name["value"], list(value.values()), place, free_texts)
        else:
            yield from _values(field, value if field.is_repeated else [value], place, free_texts)


def _values(field: Any, values: Any, place: str, free_texts: Collection[str]) -> Iterator[tuple[str, str]]:
    if field.message_type is not None:
        for each in values:
            yield from _texts(each, f"{place}.", free_texts)
    elif field.type == FieldDescriptor.TYPE_STRING:
        yield from ((place, each) for each in values)
