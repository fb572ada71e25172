"""Says where sources go in an edition: at the path that they are imported by, whichever workspace they come from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class LayoutError(ValueError):
    """Two sources want one place in the edition."""


def place(short_path: str, imports: Iterable[str]) -> str:
    """Return where a source goes: its path from the folder that its imports begin in.

    That is the root of its workspace (``../acme/plugins/x/plugin.py`` is ``plugins/x/plugin.py``) unless a library
    declares a folder below it.
    """
    workspace, _, path = short_path[3:].partition("/") if short_path.startswith("../") else ("", "", short_path)
    folders = (
        folder for name, _, folder in (entry.partition("/") for entry in imports) if not workspace or name == workspace
    )
    inside = [folder for folder in folders if path.startswith(f"{folder}/")]
    return path[len(max(inside, key=len)) + 1 :] if inside else path


def read_sources(sources: Iterable[str], imports: list[str]) -> dict[str, bytes]:
    """Read ``short_path=file`` pairs into a mapping from place to content.

    Raises:
        LayoutError: two different files have one place.
    """
    content: dict[str, bytes] = {}
    origin: dict[str, str] = {}
    for source in sources:
        short_path, _, file = source.partition("=")
        name = place(short_path, imports)
        data = Path(file).read_bytes()
        if content.setdefault(name, data) != data:
            raise LayoutError(f"{short_path} and {origin[name]} would both be {name}; move one of them")
        origin[name] = short_path
    return content
