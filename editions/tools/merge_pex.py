"""Writes an edition: the PEX of its wheels with the sources of the server, the plugins and the boot package added."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from editions.tools.pex_file import PexFormatError, add_files
from editions.tools.size_budget import over_budget


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


def write(options: argparse.Namespace) -> str | None:
    """Write the edition; return what is wrong with it, or None."""
    try:
        files = read_sources(options.source, options.imports)
        shutil.copyfile(options.deps, options.out)
        add_files(options.out, files)
    except (LayoutError, PexFormatError) as error:
        return str(error)
    options.out.chmod(0o755)
    return over_budget(options.out, options.max_mb)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line, most of which comes from a file of arguments."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--deps", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--max-mb", type=float, default=0.0)
    parser.add_argument("--import", dest="imports", action="append", default=[])
    parser.add_argument("--source", action="append", default=[])
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when the edition is refused."""
    options = parse(arguments)
    problem = write(options)
    if problem:
        print(f"{options.label}: {problem}", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
