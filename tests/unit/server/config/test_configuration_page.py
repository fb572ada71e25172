"""``docs/configuration.md`` lists every setting with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core.settings_model import table_of
from server.config.settings import Settings

PAGE = Path("docs/configuration.md")
ELSEWHERE = {"limits"}
"""Tables with a page of their own."""


def _settings(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield (table, key, default) of every setting that is not a list or map of tables."""
    for key, field in model.model_fields.items():
        inner, shape = table_of(field.annotation)
        if inner is None:
            yield table, key, "required" if field.is_required() else field.get_default(call_default_factory=True)
        elif shape == "table" and key not in ELSEWHERE:
            yield from _settings(inner, f"{table}.{key}".strip("."))


def _lists(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """Yield (list, key) of every key of a list of tables."""
    for key, field in model.model_fields.items():
        inner, shape = table_of(field.annotation)
        place = f"{table}.{key}".strip(".")
        if inner is not None and shape == "list":
            yield from ((place, name) for name in inner.model_fields)
        elif inner is not None and shape == "table" and key not in ELSEWHERE:
            yield from _lists(inner, place)


def _rows() -> list[tuple[str, str, str]]:
    """Return the page's table: the cells of each row."""
    rows = re.findall(r"^\| (`.*?) \| (.*?) ?\| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 15
    return rows


def _shown(default: Any) -> str:
    if isinstance(default, bool) or default is None:
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _documented() -> dict[tuple[str, str], str]:
    """Return the defaults of the page, without backquotes, by table and key."""
    found: dict[tuple[str, str], str] = {}
    for first, defaults, _ in _rows():
        head = re.match(r"`\[([a-z_.]+)\] ", first)
        keys = re.findall(r"`(?:\[[a-z_.]+\] )?([a-z_]+)`", first)
        texts = [text.strip("` ") for text in defaults.split(", ")]
        if keys and len(keys) == len(texts):
            found |= {(head[1] if head else "", key): text for key, text in zip(keys, texts, strict=True)}
    return found


def test_every_setting_is_documented_with_its_default() -> None:
    """And the page names no setting that does not exist."""
    settings = {(table, key): _shown(default) for table, key, default in _settings(Settings)}
    endpoints = {place: text for place, text in settings.items() if place[0].startswith("auth.endpoints")}
    assert _documented() == {place: text for place, text in settings.items() if place not in endpoints}
    words = {word for row in _rows() if "[auth.endpoints." in row[0] for word in re.findall(r"`([a-z_]+)`", row[2])}
    assert {key for table, key in endpoints if table != "auth.endpoints"} <= words


def test_every_key_of_a_list_of_tables_is_documented() -> None:
    """In the row of the list, or in its meaning."""
    page = {first: f"{first} {meaning}" for first, _, meaning in _rows()}
    for place, key in _lists(Settings):
        if not place.startswith("auth.endpoints.grpc"):  # the page says it once, for both protocols
            (text,) = [text for first, text in page.items() if f"[[{place}]]" in first]
            assert re.search(rf"\b{key}\b", text), f"{place}: {key}"
