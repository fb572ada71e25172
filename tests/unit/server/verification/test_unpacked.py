"""The checks of an edition's unpacked copies, on small made-up ones: what a start can run is compared."""

from __future__ import annotations

import importlib.util
import py_compile
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from server.verification import compiled, unpacked
from tests.support.made_up import HASH, MEMBERS, make, unpack, wrong_copies


@pytest.fixture
def pex(tmp_path: Path) -> Path:
    return make(tmp_path / "full.pex")


def test_an_untouched_copy(tmp_path: Path, pex: Path) -> None:
    """The files that PEX unpacks, and those that it adds by itself, are accepted."""
    unpack(tmp_path, pex)
    assert wrong_copies(tmp_path, pex) == []


def test_a_script_may_name_its_interpreter_by_the_short_path(tmp_path: Path, pex: Path) -> None:
    """Where the path of an environment is short enough, PEX writes the path of its link to the environment."""
    environment = unpack(tmp_path, pex).parents[2]
    link = tmp_path / "venvs" / "4" / "s" / "abcd" / "venv"
    link.parent.mkdir(parents=True)
    link.symlink_to(environment)
    script = environment / "bin" / "a"
    before = script.read_text()
    script.write_text(before.replace(f"{environment}/bin", f"{link}/bin"))
    assert script.read_text() != before
    assert wrong_copies(tmp_path, pex) == []


@pytest.mark.parametrize(
    ("content", "wrong"), [("# Created by venv; see https://docs.python.org/3/library/venv.html\n*\n", 0), ("*\n", 1)]
)
def test_the_gitignore_of_newer_pythons_belongs_there(tmp_path: Path, pex: Path, content: str, wrong: int) -> None:
    """CPython 3.13 and newer write this file around an environment; any other content is told."""
    ignored = unpack(tmp_path, pex).parents[2] / ".gitignore"
    ignored.write_text(content)
    assert sum(line.endswith(".gitignore: is not what PEX makes") for line in wrong_copies(tmp_path, pex)) == wrong
    assert len(wrong_copies(tmp_path, pex)) == wrong


def test_a_touched_copy(tmp_path: Path, pex: Path) -> None:
    """Changed, added and missing files are named with their place, and so is the program that starts the copy."""
    packages = unpack(tmp_path, pex)
    (packages / "server" / "cli.py").write_text("X = 2\n")
    (packages / "a.py").unlink()
    (packages / "sitecustomize.py").write_text("")
    (packages / "server" / "fast.so").write_bytes(b"")
    main = packages.parents[2] / "__main__.py"
    main.write_bytes(main.read_bytes().replace(b"START = 1", b"START = 2"))
    (tmp_path / "unzipped_pexes" / "4" / HASH / "server" / "cli.py").unlink()
    site = f"venvs/4/{HASH}/abc/lib/python3.11/site-packages"
    assert wrong_copies(tmp_path, pex) == [
        f"{site}/a.py: is missing",
        f"{site}/server/cli.py: differs from the manifest",
        f"{site}/server/fast.so: is not in the manifest",
        f"{site}/sitecustomize.py: is not in the manifest",
        f"venvs/4/{HASH}/abc/__main__.py: is not what PEX writes",
        f"unzipped_pexes/4/{HASH}/server/cli.py: is missing",
    ]


def _in_namespace(packages: Path) -> Path:
    """Move a module as PEX does for a wheel that shares a namespace with another one; return its folder."""
    folder = packages / "pex-ns-pkgs" / "1"
    folder.mkdir(parents=True)
    (packages / "a.py").rename(folder / "a.py")
    (packages / "pex-ns-pkgs.pth").write_text("pex-ns-pkgs/1\n")
    return folder


def test_wheels_that_share_a_namespace(tmp_path: Path, pex: Path) -> None:
    """The files of the further wheels are those of the manifest, too."""
    folder = _in_namespace(unpack(tmp_path, pex))
    assert wrong_copies(tmp_path, pex) == []
    (folder / "b.py").write_text("")
    (folder / "server").mkdir()
    (folder / "server" / "cli.py").write_text("X = 2\n")
    assert [line.partition("site-packages/")[2] for line in wrong_copies(tmp_path, pex)] == [
        "pex-ns-pkgs/1/b.py: is not in the manifest",
        "pex-ns-pkgs/1/server/cli.py: differs from the manifest",
    ]


@pytest.mark.parametrize("text", ["pex-ns-pkgs/1\nimport evil\n", "/opt/evil\n", "pex-ns-pkgs/1/../../evil\n"])
def test_the_list_of_namespaces_names_only_their_folders(tmp_path: Path, pex: Path, text: str) -> None:
    """Python runs lines of this file that begin with ``import``, and adds all others to its path."""
    packages = unpack(tmp_path, pex)
    _in_namespace(packages)
    (packages / "pex-ns-pkgs.pth").write_text(text)
    (line,) = wrong_copies(tmp_path, pex)
    assert line.endswith("site-packages/pex-ns-pkgs.pth: is not what PEX writes")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PEX_EXTRA_SYS_PATH.py", "import os\n\n\ndef extend():\n    evil()\n"),
        ("PEX_EXTRA_SYS_PATH.py", "import os\n"),
        ("PEX_EXTRA_SYS_PATH.py", ""),
        ("PEX_EXTRA_SYS_PATH.pth", "import evil\n"),
        ("PEX_EXTRA_SYS_PATH.pth", "import PEX_EXTRA_SYS_PATH; PEX_EXTRA_SYS_PATH.extend()\nimport os\n"),
    ],
)
def test_modules_that_pex_adds(tmp_path: Path, pex: Path, name: str, text: str) -> None:
    """They run at every start, so they must be PEX's own: neither changed, nor cut short, nor longer."""
    packages = unpack(tmp_path, pex)
    (packages / name).write_text(text)
    (line,) = wrong_copies(tmp_path, pex)
    assert line.endswith(f"site-packages/{name}: is not what PEX writes")


def test_copies_of_other_editions_are_left_alone(tmp_path: Path, pex: Path) -> None:
    """Only folders named after the file count, and a name that is no hash never reaches the file system."""
    unpack(tmp_path, pex)
    assert unpacked.copies(tmp_path, "f" * 40, MEMBERS, b"") == []
    assert unpacked.copies(tmp_path, "*", MEMBERS, b"") == []


def test_root_of_an_environment(tmp_path: Path) -> None:
    """PEX's root is found through the short link that environments run by; elsewhere there is none."""
    environment = tmp_path / "venvs" / "4" / HASH / "abc"
    environment.mkdir(parents=True)
    short = tmp_path / "venvs" / "4" / "s" / "12345678"
    short.mkdir(parents=True)
    (short / "venv").symlink_to(environment)
    assert unpacked.root_of(short / "venv") == tmp_path
    assert unpacked.root_of(Path("/usr")) is None


def _write(name: str, text: str) -> Callable[[Path], None]:
    def tamper(environment: Path) -> None:
        path = environment / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)

    return tamper


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def tamper(environment: Path) -> None:
        text = (environment / name).read_text()
        assert old in text
        (environment / name).write_text(text.replace(old, new))

    return tamper


def _link(name: str, target: str) -> Callable[[Path], None]:
    def tamper(environment: Path) -> None:
        (environment / name).unlink(missing_ok=True)
        (environment / name).symlink_to(target)

    return tamper


def _replace_folder(environment: Path) -> None:
    """Put a folder in the place of the link of the other name of lib."""
    (environment / "lib64").unlink()
    shutil.copytree(environment / "lib", environment / "lib64")


TAMPERED = {
    "pex": _write("pex", "evil"),
    "pex to elsewhere": _link("pex", "/elsewhere/evil.py"),
    "PEX-INFO": _replace("PEX-INFO", "server.cli:run", "evil:run"),
    "no JSON in PEX-INFO": _write("PEX-INFO", ""),
    "PEX-INFO elsewhere": _link("PEX-INFO", "/elsewhere/PEX-INFO"),
    "entry point": _replace("__main__.py", "server.cli:run", "evil:run"),
    "environment": _replace("__main__.py", "inject_env=()", "inject_env=(('LD_PRELOAD', '/elsewhere/evil.so'),)"),
    "program": _replace("__main__.py", "START = 1", "START = 2"),
    "after the program": _replace("__main__.py", "    )\n", "    )\nimport evil\n"),
    "interpreter of the program": _replace("__main__.py", "/bin/python3.11", "/bin/../../evil/python3.11"),
    "shebang": _replace("__main__.py", " -I\n", "\n"),
    "no program": lambda environment: (environment / "__main__.py").unlink(),
    "module beside lib": _write("falcon.py", ""),
    "library beside lib": _write("__main__.cpython-311-x86_64-linux-gnu.so", ""),
    "compiled program beside lib": _write("__main__.pyc", ""),
    "package beside lib": _write("server/__init__.py", ""),
    "link to a package beside lib": _link("server", "/elsewhere/server"),
    "file for python": _write("lib/python3.11/os.py", ""),
    "packages for another python": _write("lib/python3.11/dist-packages/evil.py", ""),
    "module in lib": _write("lib/evil.py", ""),
    "lib64": _link("lib64", "/elsewhere/lib"),
    "folder lib64": _replace_folder,
    "header": _write("include/python3.11/evil.h", ""),
    "interpreter": _write("bin/python", ""),
    "interpreter elsewhere": _link("bin/python", "/elsewhere/python3.11"),
    "interpreter that is none": _write("bin/python3.11", ""),
    "two interpreters": _link("bin/python3.12", "/usr/bin/python3.12"),
    "other interpreter": _link("bin/python3.11", "/elsewhere/python3.11"),
    "system's packages": _replace("pyvenv.cfg", "false", "true"),
    "home": _replace("pyvenv.cfg", "/usr/bin", "/elsewhere"),
    "executable": _replace("pyvenv.cfg", "home", "executable = /elsewhere/python3.11\nhome"),
    "home twice": _replace("pyvenv.cfg", "home", "home = /elsewhere\nhome"),
    "unknown key": _replace("pyvenv.cfg", "home", "base-prefix = /elsewhere\nhome"),
    "no configuration": lambda environment: (environment / "pyvenv.cfg").unlink(),
    "program on PATH": _write("bin/sh", ""),
    "script": _replace("bin/a", "import a", "import b"),
    "interpreter of a script": _replace("bin/a", "/bin/python3.11", "/bin/python3.12"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_changed_file_around_the_packages_is_found(tmp_path: Path, pex: Path, what: str) -> None:
    """Changed, added, missing or led elsewhere: each is told, with a place in the environment."""
    environment = unpack(tmp_path, pex).parents[2]
    TAMPERED[what](environment)
    found = wrong_copies(tmp_path, pex)
    assert found
    assert all(line.startswith(f"venvs/4/{HASH}/abc/") for line in found)


def test_a_program_may_name_its_interpreter_by_the_short_name(tmp_path: Path, pex: Path) -> None:
    """The short name counts while it leads to this environment."""
    environment = unpack(tmp_path, pex).parents[2]
    short = tmp_path / "venvs" / "4" / "s" / "12345678" / "venv"
    short.parent.mkdir(parents=True)
    short.symlink_to(environment)
    main = environment / "__main__.py"
    main.write_text(main.read_text().replace(str(environment), str(short)))
    assert wrong_copies(tmp_path, pex) == []
    short.unlink()
    short.symlink_to("/usr")
    assert wrong_copies(tmp_path, pex) == [f"venvs/4/{HASH}/abc/__main__.py: is not what PEX writes"]


def test_the_layout_of_the_mirror_is_compared(tmp_path: Path, pex: Path) -> None:
    """It tells PEX how to read the folder."""
    unpack(tmp_path, pex)
    (tmp_path / "unzipped_pexes" / "4" / HASH / "PEX-LAYOUT").write_text("loose")
    assert wrong_copies(tmp_path, pex) == [f"unzipped_pexes/4/{HASH}/PEX-LAYOUT: is not what PEX writes"]


def _compiled(source: Path, level: int) -> Path:
    return Path(importlib.util.cache_from_source(str(source), optimization="" if level == 0 else level))


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("beside", [False, True])
def test_compiled_modules_are_what_their_sources_say(tmp_path: Path, level: int, *, beside: bool) -> None:
    """A module compiled of something else than its source is named, at every level; one that agrees is not."""
    text = 'def answer() -> int:\n    "It."\n    assert True\n    return 42\n'
    for name, meant in (("honest", text), ("lying", text.replace("42", "43"))):
        source = tmp_path / f"{name}.py"
        source.write_text(meant)
        py_compile.compile(str(source), cfile=str(_compiled(source, level)), optimize=level)
        source.write_text(text)
    found = compiled.problems([], [tmp_path]) if beside else compiled.problems([tmp_path], [])
    lying = _compiled(tmp_path / "lying.py", level)
    assert list(found) == [f"{lying}: is not what its source compiles to; remove it"]
