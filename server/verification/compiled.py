"""Checks that compiled modules of unpacked copies are what compiling their sources gives.

Python runs a compiled module without reading its source, so that a changed module beside an intact source goes
unnoticed. Compiling everything again takes seconds, hence this is a separate check.
"""

from __future__ import annotations

import marshal
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_ENDING = re.compile(rf"\.{re.escape(sys.implementation.cache_tag or '')}(?:\.opt-([12]))?\.pyc$")
"""Of compiled modules that the running Python may run; the number is that of the option -O, by default 0."""

_HEADER = 16
"""Bytes before the code: magic number, flags, time and size of the source."""


def problems(folders: list[Path], alone: list[Path]) -> Iterator[str]:
    """Yield a line for each compiled module, of the running Python, that its source does not account for.

    Args:
        folders: whose modules are checked, those in folders below too.
        alone: whose modules are checked, without those in folders below.
    """
    seen = set()
    for folder in [*folders, *(each / "__pycache__" for each in alone)]:
        for parent, _, names in os.walk(folder, followlinks=True):
            for path in _compiled(Path(parent), names):
                if path.resolve() not in seen and not _is_true(path):
                    yield f"{path}: is not what its source compiles to; remove it"
                seen.add(path.resolve())


def _compiled(parent: Path, names: list[str]) -> list[Path]:
    return [parent / name for name in sorted(names) if parent.name == "__pycache__" and _ENDING.search(name)]


def _is_true(path: Path) -> bool:
    """Return whether the source, in the folder above, compiles to the same code. A module without source never runs."""
    source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
    ending = _ENDING.search(path.name)
    if ending is None or not source.exists():
        return True
    level = int(ending[1] or 0)
    try:
        code = marshal.loads(path.read_bytes()[_HEADER:])  # noqa: S302 - it is data here: compared and never run
        return bool(code == compile(source.read_bytes(), str(source), "exec", dont_inherit=True, optimize=level))
    except (OSError, ValueError, EOFError, TypeError, SyntaxError):
        return False
