"""The rules of CONTRIBUTING.md about language, as far as a machine can hold them: openings, words, names, commit titles."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import core

ROOT = Path(core.__file__).parent.parent

FOLDERS = ("core", "editions", "migrations", "nix", "plugins", "server", "tests")

PLACES = (*FOLDERS, "deploy", "proto")
"""Folders whose comments are checked."""

SINCE = "1f073ab71329ab5ae7397fee9f532abbd9bc3432"
"""The titles of later commits are checked."""

QUOTES = {"CONTRIBUTING.md", "test_language.py"}
"""Files that quote what they refuse."""

VERBS = {"run"}
"""Names of the glossary's last column that are verbs as well.

A function or a module may begin with them; the name of a test is a sentence and may hold them.
"""

IN_MODULES = {"run": "schedule"}
"""Names that mean another thing in modules whose path contains the word: a schedule has runs, and REST says so."""


_OPENING = re.compile(r"(take|what|who|whose|whoever|return (what|who|those|whose|whoever|whether))\b", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(somebody|nobody|whoever)\b", re.IGNORECASE)
_PRONOUN_NAME = re.compile(r"(^|_)(somebody|nobody|whoever)s?(_|$)|^test_(what|who|whose)_")
_TITLE = re.compile(r"[a-z][a-z0-9_./ -]*: [a-z][^\n]*[^.\n]")
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """A file of Python: its path from the root, and its tree."""

    path: Path
    tree: ast.Module


def _files(*patterns: str) -> Iterator[Path]:
    """Yield the files to check, as paths from the root."""
    for pattern in patterns:
        for file in sorted(ROOT.glob(pattern)):
            path = file.relative_to(ROOT)
            if "pb2" not in file.name and file.name not in QUOTES:
                yield path


def _sources() -> Iterator[Source]:
    for path in _files(*(f"{folder}/**/*.py" for folder in FOLDERS)):
        yield Source(path, ast.parse((ROOT / path).read_text()))


def _opening(node: _DOCUMENTED) -> str | None:
    """Return the refused words that begin the docstring, None without any."""
    found = _OPENING.match(ast.get_docstring(node) or "")
    if found is None or (found[2] == "whether" and isinstance(node, _FUNCTION) and _is_bool(node.returns)):
        return None
    return found[1]


def _is_bool(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).split("[")[0] in {"bool", "TypeGuard", "TypeIs"}


def _openings(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, _DOCUMENTED) and (words := _opening(node)):
            yield f"{source.path}:{getattr(node, 'lineno', 1)}: a docstring begins with {words!r}"
        for before, after in pairwise(node.body if isinstance(node, ast.Module | ast.ClassDef) else ()):
            if isinstance(before, ast.Assign | ast.AnnAssign) and (found := _OPENING.match(_text(after))):
                yield f"{source.path}:{after.lineno}: the text of an attribute begins with {found[1]!r}"


def _text(node: ast.stmt) -> str:
    """Return the text of a statement that is one, such as the text below an attribute."""
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _comments(path: Path, text: str) -> Iterator[str]:
    """Find refused words in the comments of a file in which ``#`` begins one; no text of the project needs the mark."""
    before = -1
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"(?:^|\s)#:? (.*)", line):
            begins = number - 1 != before or not line.lstrip().startswith("#")
            opening = _OPENING.match(found[1]) if begins else None
            if word := opening or _PRONOUN.search(found[1]):
                yield f"{path}:{number}: {word[0]}"
            before = number


def _constructors(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and ast.get_docstring(node):
            yield f"{source.path}:{node.lineno}: a constructor has a docstring"


def _pronouns(source: Source) -> Iterator[str]:
    """Find the words in texts of a sentence's length: docstrings, errors, lines of the log and of the command line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            for found in _PRONOUN.finditer(node.value):
                yield f"{source.path}:{node.lineno}: {found[0]}"


def _banned_names() -> dict[str, str]:
    """Return the refused names of the glossary, each with its term."""
    rows = re.findall(
        r"^\| ([^|]+) \|[^|\n]*(?:\|[^|\n]*)*\| ([^|\n]*)\|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE
    )
    return {name: term for term, last in rows for name in re.findall(r"`([a-z_]+)`", last)}


def _bound_names(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Yield each name that the module gives: the name, its line, and whether it is a function's."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno, True
            case ast.ClassDef():
                yield _snake(node.name), node.lineno, False
            case ast.arg():
                yield node.arg, node.lineno, False
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno, False
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno, False


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _uses(name: str, banned: str, *, function: bool) -> bool:
    """Return whether the words of the name contain those of the banned name, or their plural."""
    words = name.strip("_").lower()
    if function and banned in VERBS:
        words = "" if words.startswith("test_") else words.partition("_")[2]
    return re.search(rf"(^|_){banned}s?(_|$)", words) is not None


def _twins(source: Source, banned: dict[str, str]) -> Iterator[str]:
    here = {twin: term for twin, term in banned.items() if IN_MODULES.get(twin, "\0") not in str(source.path)}
    for name, line, function in [*_bound_names(source.tree), (source.path.stem, 1, True)]:
        for twin, term in here.items():
            if _uses(name, twin, function=function):
                yield f"{source.path}:{line}: {name} says {twin} for {term}"
        if _PRONOUN_NAME.search(name.lower()):
            yield f"{source.path}:{line}: {name} holds a pronoun"


def test_no_docstring_begins_with_a_refused_word() -> None:
    """A docstring begins with a verb or a noun: no "Take …", "What …" or "Return what …"."""
    assert [line for source in _sources() for line in _openings(source)] == []


def test_no_constructor_has_a_docstring() -> None:
    """The class's docstring documents its constructor."""
    assert [line for source in _sources() for line in _constructors(source)] == []


def test_no_text_speaks_of_somebody_or_nobody() -> None:
    """Texts in Python name the caller, the worker or the process."""
    assert [line for source in _sources() for line in _pronouns(source)] == []


def test_no_document_and_no_comment_of_sql_speaks_of_somebody_or_nobody() -> None:
    """Documents and SQL do so, too."""
    found = []
    for path in _files("*.md", "docs/*.md", "plugins/*/*.md", *(f"{folder}/**/*.sql" for folder in FOLDERS)):
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            if word := _PRONOUN.search(line):
                found.append(f"{path}:{number}: {word[0]}")
    assert found == []


def test_no_comment_begins_with_a_refused_word_or_speaks_of_nobody() -> None:
    """Comments follow the rules of docstrings, in Python, Starlark, shell and YAML."""
    kinds = ("py", "bazel", "bzl", "sh", "yml", "yaml")
    paths = _files("*.bazel", ".ci/*", ".github/**/*.yml", *(f"{f}/**/*.{kind}" for f in PLACES for kind in kinds))
    files = [path for path in paths if (ROOT / path).is_file()]
    assert [line for path in files for line in _comments(path, (ROOT / path).read_text())] == []


def test_names_are_terms_of_the_glossary() -> None:
    """No module, class, function, variable or argument has a name that the glossary refuses."""
    banned = _banned_names()
    assert banned["run"] == "workflow execution"
    assert [line for source in _sources() for line in _twins(source, banned)] == []


def test_commit_titles_are_short_and_name_their_area() -> None:
    """A title has the form ``area: imperative`` and at most 72 characters."""
    titles = _titles()
    if titles is None:
        pytest.skip("no git, or not the history that is checked")
    assert [title for title in titles if len(title) > 72 or not _TITLE.fullmatch(title)] == []


def _titles() -> Sequence[str] | None:
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), "log", "--no-merges", "--format=%s", f"{SINCE}..HEAD"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ('"""Take it."""', "x.py:1: a docstring begins with 'Take'"),
        ('class A:\n    """Whose turn."""', "x.py:1: a docstring begins with 'Whose'"),
        ('def f() -> int:\n    """Return whether."""', "x.py:1: a docstring begins with 'Return whether'"),
        ('class A:\n    def __init__(self):\n        """Make it."""', "x.py:2: a constructor has a docstring"),
        ('raise Error(f"for nobody {here}")', "x.py:1: nobody"),
        ('A = 1\n"""What it is."""', "x.py:2: the text of an attribute begins with 'What'"),
        ("run_id = 1", "x.py:1: run_id says run for workflow execution"),
        ("class TaskRun: pass", "x.py:1: task_run says run for workflow execution"),
        ("def finish_run(): pass", "x.py:1: finish_run says run for workflow execution"),
        ("def test_nobody_waits(): pass", "x.py:1: test_nobody_waits holds a pronoun"),
        ("def test_what_waits(): pass", "x.py:1: test_what_waits holds a pronoun"),
    ],
)
def test_a_breach_is_found(code: str, finding: str) -> None:
    """Each rule finds its breach."""
    source = Source(Path("x.py"), ast.parse(code))
    rules = (_openings, _constructors, _pronouns, lambda each: _twins(each, {"run": "workflow execution"}))
    assert [line for rule in rules for line in rule(source)] == [finding]


def test_a_breach_in_a_comment_is_found() -> None:
    """The first line of a comment may not begin with a refused word, and no line holds a pronoun."""
    text = "# What it is\nx = 1  # nobody\n# The reason\n# what follows is free\n"
    assert list(_comments(Path("x"), text)) == ["x:1: What", "x:2: nobody"]


@pytest.mark.parametrize(
    "code",
    [
        '"""Taken together."""',
        'def f() -> bool:\n    """Return whether it is."""',
        'USER = "nobody"',
        "def run_due(running, prune): pass",
        "def test_two_versions_run_beside_each_other(): pass",
    ],
)
def test_plain_code_is_not_a_breach(code: str) -> None:
    """The rules let code pass that only resembles a breach."""
    source = Source(Path("x.py"), ast.parse(code))
    rules = (_openings, _constructors, _pronouns, lambda each: _twins(each, {"run": "workflow execution"}))
    assert [line for rule in rules for line in rule(source)] == []
