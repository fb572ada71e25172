"""Limits of one call and of its parts: sizes in bytes, counts, depths. Limits that an operator can change are settings.

``LIMITS`` is the source of the table in ``docs/limits.md``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

MAX_NAME = 255
MAX_QUEUE = 100

MAX_PAYLOAD_BYTES = MIB
MAX_PAYLOAD_VALUES = 100_000
"""Values and names of members of one payload: parsing them takes up to 30 ms, and a parser cannot be interrupted."""
MAX_DEPTH = 500
"""Deeper nesting is refused: the parsers of PostgreSQL and of workers recurse."""

MAX_METADATA_KEYS = 50
MAX_METADATA_BYTES = 64 * KIB

MAX_KINDS = 1000
MAX_TAGS = 100
MAX_LABELS = 100
MAX_SPANS = 1000
MAX_ATTRIBUTES = 128
MAX_REPEATED = 1000
MAX_WIRE_FIELDS = 10_000
"""Fields on the wire of one large message; counting them takes up to 10 ms."""

MAX_BODY_BYTES = 2 * MIB
"""Twice the largest payload: room for the fields around the payload."""
MAX_BODY_MEMBERS = 1000
"""Values of a REST body outside of payloads: each of them can be one problem of the validation."""
MAX_PROBLEMS = 5

MAX_ERROR_BYTES = 4 * KIB
"""Size of the body of an error over REST, and of the trailers of one over gRPC."""
MAX_DETAILS_BYTES = MAX_ERROR_BYTES - 512
"""Size of the text in it, escaped: the rest is room for the code and the other trailers."""

MAX_LIMIT = 100
MAX_OFFSET = 100_000
"""A list skips these rows one by one; cursors reach every row at the same cost."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One row of the table of limits.

    Attributes:
        thing: the thing that is limited, as a reader of the table calls it.
        value: the largest value that is allowed.
        unit: ``bytes``, ``characters``, ``levels`` or, for counts, an empty text.
        refusal: what a caller that exceeds the limit is answered: gRPC status and HTTP status.
    """

    thing: str
    value: int
    unit: str
    refusal: str


_INVALID = "INVALID_ARGUMENT, 400"
_TOO_LARGE = "RESOURCE_EXHAUSTED, 413"

LIMITS: Sequence[Limit] = (
    Limit("a name, such as a kind, a worker, a signal, a state key", MAX_NAME, "characters", _INVALID),
    Limit("a queue", MAX_QUEUE, "characters", _INVALID),
    Limit("a payload", MAX_PAYLOAD_BYTES, "bytes", _TOO_LARGE),
    Limit("values and names of members in a payload or a REST body", MAX_PAYLOAD_VALUES, "", _INVALID),
    Limit("nesting of a payload or a REST body", MAX_DEPTH, "levels", _INVALID),
    Limit("keys of metadata", MAX_METADATA_KEYS, "", _INVALID),
    Limit("all keys and values of metadata", MAX_METADATA_BYTES, "bytes", _INVALID),
    Limit("workflow kinds, and task kinds, of a registration", MAX_KINDS, "", _INVALID),
    Limit("kinds that a poll names", MAX_KINDS, "", _INVALID),
    Limit("tags of a kind", MAX_TAGS, "", _INVALID),
    Limit("labels of a worker", MAX_LABELS, "", _INVALID),
    Limit("spans of a report", MAX_SPANS, "", _INVALID),
    Limit("attributes of a span", MAX_ATTRIBUTES, "", _INVALID),
    Limit("entries of any other repeated field of a gRPC message, plugins' included", MAX_REPEATED, "", _INVALID),
    Limit("fields on the wire of a gRPC message above 64 KiB", MAX_WIRE_FIELDS, "", _INVALID),
    Limit("a REST body", MAX_BODY_BYTES, "bytes", "413"),
    Limit("values of a REST body outside of payloads", MAX_BODY_MEMBERS, "", "400"),
    Limit("entries of a page of a list", MAX_LIMIT, "", "cut down to it"),
    Limit("offset of a page of a list", MAX_OFFSET, "", "400"),
    Limit("problems that the answer to a REST body names", MAX_PROBLEMS, "", "more are counted"),
    Limit("an answer that is an error", MAX_ERROR_BYTES, "bytes", "cut down to it"),
)  # fmt: skip
"""All limits that are not settings."""


def shortened(text: str, most: int) -> str:
    """Return ``text``, cut so that its JSON form and its form in gRPC trailers take at most ``most`` bytes.

    Both forms escape characters: JSON with up to 12 bytes for one, gRPC with 3 for each byte that is not printable.
    """
    if len(text) * 12 <= most:
        return text
    cut = text[:most]
    while len(json.dumps(cut)) > most or _escaped(cut) > most:
        cut = cut[: len(cut) * 3 // 4]
    return text if len(cut) == len(text) else cut + " …"


def _escaped(text: str) -> int:
    data = text.encode(errors="replace")
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in data)  # noqa: PLR2004 - of the gRPC protocol
