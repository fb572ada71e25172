"""Reads and writes ``editions/editions.json``, always in one form: a list that fits stands on its line.

So a program that adds an entry changes the lines of that entry and no others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from editions.toolchain.json_fault import fault

MENU = Path("editions/editions.json")
WIDTH = 120
_INDENT = "  "


def read(root: Path) -> dict[str, Any]:
    """Return the menu of the repository at ``root``.

    Raises:
        ValueError: the file is no JSON; names line and column.
    """
    text = (root / MENU).read_text("utf-8")
    broken = fault(text)
    if broken:
        raise ValueError(f"{MENU}:{broken}")
    menu: dict[str, Any] = json.loads(text)
    return menu


def write(root: Path, menu: dict[str, Any]) -> None:
    """Write the menu, at once or not at all."""
    draft = (root / MENU).with_suffix(".draft")
    draft.write_text(formatted(menu) + "\n", encoding="utf-8")
    draft.replace(root / MENU)


def formatted(value: Any, depth: int = 0, used: int = 0) -> str:
    """Return JSON; ``depth`` is that of the line, ``used`` the number of characters that stand before the value."""
    inner, outer = "\n" + _INDENT * (depth + 1), "\n" + _INDENT * depth
    if isinstance(value, dict) and value:
        members = []
        for key, member in value.items():
            start = f"{json.dumps(key, ensure_ascii=False)}: "
            members.append(start + formatted(member, depth + 1, len(inner) - 1 + len(start)))
        return "{" + inner + f",{inner}".join(members) + outer + "}"
    line = json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and used + len(line) >= WIDTH:
        return "[" + inner + f",{inner}".join(formatted(each, depth + 1) for each in value) + outer + "]"
    return line
