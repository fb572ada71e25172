"""Exports: pages of events as lines of JSON or CSV, for a stream."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from plugins.audit_log.models import Format, RecordedEventBody
from plugins.audit_log.repository import Shown

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
CONTENT_TYPES: Final[Mapping[Format, str]] = {"ndjson": NDJSON, "csv": f"{CSV}; charset=utf-8"}

_COLUMNS: Final = tuple(field.serialization_alias or name for name, field in RecordedEventBody.model_fields.items())
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that begin a formula in a spreadsheet, with their wide forms."""


async def lines(pages: AsyncIterator[Sequence[Shown]], written: Format) -> AsyncIterator[bytes]:
    """Yield the export a page at a time; CSV begins with the names of the columns."""
    of_page: Callable[[Sequence[Shown]], str] = _csv if written == "csv" else _ndjson
    if written == "csv":
        yield _rows([_COLUMNS]).encode()
    async for page in pages:
        yield of_page(page).encode()


def _ndjson(page: Sequence[Shown]) -> str:
    return "".join(json.dumps(RecordedEventBody.of(each).as_json(), ensure_ascii=False) + "\n" for each in page)


def _csv(page: Sequence[Shown]) -> str:
    bodies = (RecordedEventBody.of(each).as_json() for each in page)
    return _rows([[_cell(body[name]) for name in _COLUMNS] for body in bodies])


def _rows(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    """Return a value as a cell that no spreadsheet runs."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
