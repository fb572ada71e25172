"""The limits on size, and a docstring on every module; exceptions would be listed here with their reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import core
import migrations
import server

MAX_FILE = 400
MAX_FUNCTION = 50

# plugins and editions are namespace packages: their place is found beside the others
ROOT = Path(core.__file__).parent.parent
FOLDERS = [Path(core.__file__).parent, Path(server.__file__).parent, Path(migrations.__file__).parent]
FOLDERS += [ROOT / "plugins", ROOT / "editions", ROOT / "tests"]


def _modules() -> Iterator[tuple[Path, str]]:
    for folder in FOLDERS:
        for file in sorted(folder.rglob("*.py")):
            if "pb2" not in file.name:
                yield file.relative_to(ROOT), file.read_text()


def test_modules_are_found() -> None:
    """The test looks at the code and not at an empty folder."""
    assert {"core/plugin.py", "server/boot/startup.py", "plugins/worker_token/plugin.py"} <= {
        str(path) for path, _ in _modules()
    }


def test_no_file_is_too_long() -> None:
    """A file past its size asks for another room."""
    assert not [f"{path}: {text.count(chr(10))} lines" for path, text in _modules() if text.count("\n") > MAX_FILE]


def test_no_function_is_too_long() -> None:
    """A function past its size asks for another function."""
    long = []
    for path, text in _modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION:
                    long.append(f"{path}:{node.lineno}: {node.name} has {lines} lines")
    assert not long


def test_every_module_says_why_it_exists() -> None:
    """A module without a docstring makes its reader guess."""
    assert not [str(path) for path, text in _modules() if text.strip() and ast.get_docstring(ast.parse(text)) is None]
