"""One name for one thing: no two classes of the project share a name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import core

ROOT = Path(core.__file__).parent.parent

FOLDERS = ("core", "editions", "migrations", "nix", "plugins", "server")

SHARED: Mapping[str, str] = {}
"""Names that several classes may have, with the reason."""


def _places(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the places of each class that other modules can see: a name with an underscore stays in its module."""
    places: dict[str, list[str]] = defaultdict(list)
    for path, text in sources:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(f"{path}:{node.lineno}")
    return places


def _twice(sources: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    return {name: places for name, places in _places(sources).items() if len(places) > 1 and name not in SHARED}


def test_no_class_shares_its_name() -> None:
    """A reader who meets a name in one package knows it in all others."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    product = [file for file in files if "pb2" not in file.name and "tests" not in file.parts[len(ROOT.parts) :]]
    assert product
    assert _twice((str(file.relative_to(ROOT)), file.read_text()) for file in product) == {}


def test_a_second_class_of_one_name_is_found() -> None:
    """A nested class counts; a private one does not."""
    sources = [("a.py", "class A: pass\nclass _B: pass"), ("b.py", "class C:\n    class A: pass\nclass _B: pass")]
    assert _twice(sources) == {"A": ["a.py:1", "b.py:2"]}
