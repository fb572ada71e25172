"""Fields of requests, checked the same way whichever way they come in; every problem names its field."""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.errors import InvalidInput
from core.launchers import DEFAULT_QUEUE
from core.limits import MAX_METADATA_BYTES, MAX_METADATA_KEYS, MAX_NAME, MAX_PAYLOAD_BYTES, MAX_QUEUE
from core.text import flaw

RESERVED_METADATA_PREFIX = "_flovyn_"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def name_field(value: str, field: str, longest: int = MAX_NAME) -> str:
    """Return a required short text.

    Raises:
        InvalidInput: it is empty, too long, or cannot be stored (``core.text``).
    """
    if not value:
        raise InvalidInput(f"{field} is required")
    return optional_text(value, field, longest)


def optional_text(value: str, field: str, longest: int = MAX_NAME) -> str:
    """Return a short text that may be empty.

    Raises:
        InvalidInput: it is too long, or cannot be stored (``core.text``).
    """
    if len(value) > longest:
        raise InvalidInput(f"{field} has {len(value)} characters; at most {longest} are allowed")
    if problem := flaw(value):
        raise InvalidInput(f"{field} {problem}")
    return value


def free_text(value: str) -> str:
    """Return a text of any kind, such as an error message, as it can be stored; it never fails."""
    cut = value[:MAX_PAYLOAD_BYTES]
    return cut if flaw(cut) is None else _UNSTORABLE.sub("\ufffd", cut)


def queue_field(value: str) -> str:
    """Return the queue; empty means the default one."""
    return name_field(value or DEFAULT_QUEUE, "queue", MAX_QUEUE)


def metadata_field(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a workflow or a task.

    Raises:
        InvalidInput: too many keys, too large, or a key is empty or reserved.
    """
    if len(metadata) > MAX_METADATA_KEYS:
        raise InvalidInput(f"metadata has {len(metadata)} keys; at most {MAX_METADATA_KEYS} are allowed")
    for key, value in metadata.items():
        name_field(key, "a key of metadata")
        optional_text(value, f"metadata[{key!r}]", MAX_METADATA_BYTES)
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > MAX_METADATA_BYTES:
        raise InvalidInput(f"metadata is larger than {MAX_METADATA_BYTES} bytes")
    for key in metadata:
        if key.startswith(RESERVED_METADATA_PREFIX):
            raise InvalidInput(f"metadata key {key!r}: keys that begin with {RESERVED_METADATA_PREFIX!r} are reserved")
    return dict(metadata)
