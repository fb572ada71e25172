"""Verifies the files of an environment outside of its packages: the program that starts them, and the rest.

A start runs ``bin/python -I <environment>``, which puts the folder of the environment first on the import path: a
module in it would replace a module of the server. Therefore all files of the folder must be known. The program of PEX
is built again, from its template in the edition's file and from PEX-INFO, and compared. Other files count as added.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.verification.archive import ABOUT, BOOT, INSTALLER

_MAIN = "__main__.py"
_FOLDERS = {"__pycache__", "bin", "include", "lib"}
_LINKS = {"lib64": "lib", "pex": _MAIN}
_FILES = {".last-access", ABOUT, _MAIN, "pex-repl", "pyvenv.cfg"}
"""No start runs ``pex-repl``: the shell header removes PEX_INTERPRETER."""

_IGNORED = ".gitignore"
_IGNORE_ALL = b"# Created by venv; see https://docs.python.org/3/library/venv.html\n*\n"
"""CPython writes this file from 3.13 on; no start reads it."""

_OF_VENV = {"Activate.ps1", "activate", "activate.csh", "activate.fish"}
_PYTHON = re.compile(r"python3\.\d+")
_PYTHON_LINKS = {"python", "python3", "𝜋thon"}
"""CPython itself creates the last one, from 3.14 on."""

_CFG_KEYS = {"home", "include-system-site-packages", "version", "prompt", "executable", "command"}

_TEMPLATE = re.compile(r'dedent\(\n +"""\\\n( +\{shebang\}\n.*?\n) +"""\n', re.DOTALL)
_SHEBANGS = ("#!{python} -I", "#!/bin/sh\n'''': pshprs\nexec {python} -I \"$0\" \"$@\"\n'''")
"""PEX uses the second form for paths that are too long for the first."""

_SCRIPT_START = b"#!python\n"
_SCRIPT_HEAD = re.compile(
    b"|".join(
        re.escape(form.encode() + b"\n").replace(re.escape(b"{python}"), b"(?P<%s>/[^\n]+)" % name)
        for name, form in zip((b"short", b"long"), _SHEBANGS, strict=True)
    )
)
"""PEX replaces the start with these lines; the interpreter may have the short path of the environment."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The edition's file that an environment was created from.

    Attributes:
        members: the digests of the members.
        documents: the content of PEX-INFO and of the programs of PEX, by member.
    """

    members: Mapping[str, str]
    documents: Mapping[str, bytes]

    def text(self, member: str) -> str:
        """Return a document as text; empty when it is missing."""
        return self.documents.get(member, b"").decode(errors="replace")


def problems(folder: Path, origin: Origin) -> Iterator[str]:
    """Yield a line for each changed, missing or added file of an environment outside of its packages."""
    yield from _layout(folder)
    yield from _interpreter(folder)
    yield from _scripts(folder / "bin", origin.members)
    if _json(_read(folder / ABOUT)) != _json(origin.documents.get(ABOUT, b"")):
        yield f"{folder / ABOUT}: differs from {ABOUT} inside of the file"
    if not _is_main(folder, origin):
        yield f"{folder / _MAIN}: is not what PEX writes"


def _layout(folder: Path) -> Iterator[str]:
    for name in sorted({each.name for each in _inside(folder)} | _FILES | {"bin", "lib", "pex"}):
        path = folder / name
        if not os.path.lexists(path):
            if name != ".last-access":
                yield f"{path}: is missing"
        elif name in _LINKS:
            if not path.is_symlink() or str(path.readlink()) != _LINKS[name]:
                yield f"{path}: does not lead to {_LINKS[name]}"
        elif path.is_symlink() or not (path.is_dir() if name in _FOLDERS else _is_file_of_pex(path)):
            yield f"{path}: is not what PEX makes"
    for parent, known in ((folder / "lib", _PYTHON), (folder / "include", _PYTHON)):
        yield from (f"{each}: is not what PEX makes" for each in _inside(parent) if not known.fullmatch(each.name))
    for each in folder.glob("lib/python*/*"):
        if each.name != "site-packages" or each.is_symlink():
            yield f"{each}: is not what PEX makes"
    yield from (f"{each}: is not what PEX makes" for each in folder.glob("include/*/*"))


def _is_file_of_pex(path: Path) -> bool:
    if path.name == _IGNORED:
        return _read(path) == _IGNORE_ALL
    return path.name in _FILES and path.is_file()


def _interpreter(folder: Path) -> Iterator[str]:
    """Yield a line unless the interpreter is a link to one outside, and ``pyvenv.cfg`` names the same one."""
    real = [each for each in _inside(folder / "bin") if _PYTHON.fullmatch(each.name)]
    for each in real:
        if not each.is_symlink() or not each.readlink().is_absolute():
            yield f"{each}: is no link to an interpreter"
    if len(real) != 1:
        yield f"{folder / 'bin'}: has {len(real)} interpreters, not one"
        return
    target = real[0].readlink() if real[0].is_symlink() else real[0]
    lines = [line.partition("=") for line in _read(folder / "pyvenv.cfg").decode(errors="replace").splitlines()]
    said = {key.strip(): value.strip() for key, _, value in lines}
    if (
        len(said) != len(lines)
        or not said.keys() <= _CFG_KEYS
        or said.get("include-system-site-packages") != "false"
        or Path(said.get("home", "")).resolve() not in {target.parent.resolve(), target.resolve().parent}
        or Path(said.get("executable", target)).resolve() != target.resolve()
    ):
        yield f"{folder / 'pyvenv.cfg'}: is not about the interpreter that {real[0]} leads to"


def _scripts(folder: Path, members: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each unknown script. The folder is first on PATH: a program in it would replace the system's."""
    digests: dict[str, set[str]] = {}
    for member, digest in members.items():
        _, found, name = member.partition("/.prefix/bin/")
        if found:
            digests.setdefault(name, set()).add(digest)
    for each in _inside(folder):
        if each.name in _PYTHON_LINKS:
            if not each.is_symlink() or not _PYTHON.fullmatch(str(each.readlink())):
                yield f"{each}: does not lead to the interpreter beside it"
        elif each.name in digests:
            if not _is_script(each, digests[each.name]):
                yield f"{each}: differs from the manifest"
        elif not _PYTHON.fullmatch(each.name) and each.name not in _OF_VENV:
            yield f"{each}: is not in the manifest"


def _is_script(path: Path, digests: set[str]) -> bool:
    """Return whether a script equals a member, except for the lines that name the interpreter."""
    content = _read(path)
    head = _SCRIPT_HEAD.match(content)
    if head is None:
        return False
    python = os.fsdecode(head["short"] or head["long"])
    if not _is_of(path.parent.parent, python) or not (path.parent / Path(python).name).is_symlink():
        return False
    return hashlib.sha256(_SCRIPT_START + content[head.end() :]).hexdigest() in digests


def _is_main(folder: Path, origin: Origin) -> bool:
    """Return whether ``__main__.py`` is what PEX writes: its template with the values of this environment."""
    template = _TEMPLATE.search(origin.text(INSTALLER))
    about = _json(origin.documents.get(ABOUT, b""))
    found = _read(folder / _MAIN).decode(errors="replace")
    python = _said_python(found)
    if template is None or not isinstance(about, dict) or python is None or not _is_of(folder, python):
        return False
    values = {
        "code": origin.text(BOOT).strip(),
        "shebang_python": python,
        "venv_bin_dir": "bin",
        "bin_path": about.get("venv_bin_path", "false"),
        "strip_pex_env": about.get("strip_pex_env", True),
        "bind_resource_paths": tuple(about.get("bind_resource_paths", {}).items()),
        "inject_env": tuple(about.get("inject_env", {}).items()),
        "inject_args": list(about.get("inject_args", [])),
        "entry_point": about.get("entry_point"),
        "script": about.get("script"),
        "hermetic_re_exec": "-I" if about.get("venv_hermetic_scripts", True) else None,
    }
    text = textwrap.dedent(template[1])
    return any(
        found == text.format(shebang=shebang.format(python=python), set_last_access=access, **values)
        for shebang in _SHEBANGS
        for access in (True, False)
    )


def _said_python(main: str) -> str | None:
    """Return the interpreter that the last call of ``__main__.py`` names."""
    found = re.search(r"^ +shebang_python=('[^'\n]*'|\"[^\"\n]*\"),$", main, re.MULTILINE)
    return None if found is None else str(ast.literal_eval(found[1]))


def _is_of(folder: Path, python: str) -> bool:
    """Return whether the path is the interpreter of this environment, also by the short path that PEX creates."""
    path = Path(python)
    return bool(_PYTHON.fullmatch(path.name)) and path.parent.resolve() == (folder / "bin").resolve()


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
