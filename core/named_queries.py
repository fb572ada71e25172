"""SQL lives in ``.sql`` files as named queries; this reads them, inside a PEX too.

A query begins with a line ``-- name: claim_tasks`` and ends where the next block begins.
Comment lines between the name and the statement document it.
A block that begins with ``-- part: task_columns`` is a text for several queries of the file:
each of them has a line ``-- use: task_columns`` in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

_BLOCK = re.compile(r"^-- (name|part): ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)
_NAMES: dict[str, str] = {}
"""The names of all queries that were read, by their texts: metrics and log lines name them."""

_USE = re.compile(r"^[ \t]*-- use: (\w*)[ \t]*$", re.MULTILINE)


def named_queries(package: str, file: str) -> Mapping[str, str]:
    """Return the queries of ``file`` in ``package``, by name.

    Raises:
        ValueError: the file holds no named query, one name twice, or a query uses a part that the file does not have.
    """
    queries = parse_queries(files(package).joinpath(file).read_text("utf-8"), f"{package}/{file}")
    owner = package.removeprefix("plugins.").partition(".")[0]
    prefix = file.removesuffix(".sql") if package.startswith("server") else f"{owner}.{file.removesuffix('.sql')}"
    _NAMES.update({text: f"{prefix}.{name}" for name, text in queries.items()})
    return queries


def joined(queries: Mapping[str, str], names: Sequence[str]) -> str:
    """Return the statement of several parts of one file, in this order; it has the name of the first part."""
    statement = "\n".join(queries[name] for name in names)
    if (name := _NAMES.get(queries[names[0]])) is not None:
        _NAMES[statement] = name
    return statement


def name_of(query: str) -> str | None:
    """Return the name of a query that was read by ``named_queries``, such as ``tasks.claim``; None for other texts."""
    return _NAMES.get(query)


def parse_queries(text: str, origin: str) -> Mapping[str, str]:
    """Split ``text`` at its ``-- name:`` and ``-- part:`` lines; see ``named_queries``."""
    _, *blocks = _BLOCK.split(text)
    kinds, names, bodies = blocks[::3], blocks[1::3], [body.strip() for body in blocks[2::3]]
    if "name" not in kinds or len(set(names)) != len(names) or not all(bodies):
        raise ValueError(f"{origin}: expected named queries ('-- name: x'), each name once and none empty")
    parts = {name: body for kind, name, body in zip(kinds, names, bodies, strict=True) if kind == "part"}
    try:
        complete = [_USE.sub(lambda use: parts[use[1]], body) for body in bodies]
    except KeyError as missing:
        raise ValueError(f"{origin}: a query uses the part {missing}, which the file does not have") from None
    return {name: body for name, body in zip(names, complete, strict=True) if name not in parts}
