"""SQL lives in ``.sql`` files as named queries; this reads them, inside a PEX too.

A query begins with a line ``-- name: claim_runs`` and ends where the next one begins.
Comment lines between the name and the statement document it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)


def named_queries(package: str, file: str) -> Mapping[str, str]:
    """Return the queries of ``file`` in ``package``, by name.

    Raises:
        ValueError: the file holds no named query, or one name twice.
    """
    return parse_queries(files(package).joinpath(file).read_text("utf-8"), f"{package}/{file}")


def parse_queries(text: str, origin: str) -> Mapping[str, str]:
    """Split ``text`` at its ``-- name:`` lines; see ``named_queries``."""
    parts = _NAME.split(text)
    names, bodies = parts[1::2], [body.strip() for body in parts[2::2]]
    if not names or len(set(names)) != len(names) or not all(bodies):
        raise ValueError(f"{origin}: expected named queries ('-- name: x'), each name once and none empty")
    return dict(zip(names, bodies, strict=True))
