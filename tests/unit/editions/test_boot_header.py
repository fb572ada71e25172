"""The script in front of an edition: it starts the interpreter that fits, or says in one line which is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from editions.toolchain.probe_python import platform_name
from editions.tools.boot_header import boot_header, oldest_system
from editions.tools.pex_file import PexFormatError

CONTENTS = "1" * 40
PEX_HEADER = f"""\
#!/bin/sh
set -eu
PEX_ROOT="${{PEX_ROOT:-none}}"
INSTALLED_PEX="${{PEX_ROOT}}/venvs/4/{"0" * 40}/{"2" * 40}"

find_python() {{
    echo no
}}
"""
HERE, MINOR = platform_name(), f"{sys.version_info[0]}.{sys.version_info[1]}"


def start(tmp_path: Path, python: str = MINOR, wheels: tuple[str, ...] = (), **environ: str) -> tuple[int, str, str]:
    """Run a script whose Python part prints its arguments."""
    file = tmp_path / "some.pex"
    header = boot_header(PEX_HEADER, HERE, python, wheels, CONTENTS)
    # Python runs the file itself: here a text that is a script of both languages
    file.write_text(f"''''true\n{header}'''\nimport sys; print(sys.argv[1:], sys.executable)\n")
    done = subprocess.run(
        ["/bin/sh", str(file), "a b", "c"], capture_output=True, text=True, check=False, env=dict(environ)
    )
    return done.returncode, done.stdout, done.stderr


def fake(folder: Path, name: str, says: str, code: int = 1) -> Path:
    """An interpreter that answers every question with one line."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_only_the_search_is_replaced() -> None:
    """The short way into the unpacked copy stays, under a name that no host's interpreter goes into."""
    header = boot_header(PEX_HEADER, "linux-x86_64", "3.12", [], CONTENTS)
    assert header.startswith(PEX_HEADER.partition("\nfind_python")[0].replace("2" * 40, CONTENTS))
    assert "echo no" not in header


@pytest.mark.parametrize("header", ["#!/bin/sh\n", PEX_HEADER * 2, PEX_HEADER.replace("venvs", "other")])
def test_another_script_is_refused(header: str) -> None:
    """A script of another pex is not patched by guessing."""
    with pytest.raises(PexFormatError, match="has changed"):
        boot_header(header, "linux-x86_64", "3.12", [], CONTENTS)


@pytest.mark.parametrize(
    ("wheels", "expected"),
    [
        (["a-1-py3-none-any.whl"], ""),
        (["a-1-cp310-abi3-manylinux2014_x86_64.whl", "b-1-py3-none-any.whl"], "glibc 2.17"),
        (["a-1-cp311-cp311-manylinux_2_28_x86_64.manylinux_2_17_x86_64.whl"], "glibc 2.17"),
        (
            ["a-1-cp36-abi3-manylinux2010_x86_64.manylinux_2_28_x86_64.whl", "b-1-x-y-manylinux_2_5_x86_64.whl"],
            "glibc 2.12",
        ),
        (["a-1-cp311-abi3-manylinux_2_34_x86_64.whl", "b-1-x-y-manylinux_2_4_x86_64.whl"], "glibc 2.34"),
        (["a-1-cp314-cp314-macosx_11_0_universal2.whl", "b-1-x-y-macosx_10_9_universal2.whl"], "macOS 11.0"),
    ],
)
def test_wheels_tell_how_old_a_system_may_be(wheels: list[str], expected: str) -> None:
    """Each wheel runs on the oldest system that it names, all of them on the newest of those."""
    assert oldest_system(wheels) == expected


def test_the_right_interpreter_is_started(tmp_path: Path) -> None:
    """The first that fits gets all arguments, even when others lie before it."""
    fake(tmp_path / "bin", "python3", "CPython 2.7 on linux-x86_64")
    real = tmp_path / "real"
    real.mkdir()
    (real / "python3").symlink_to(sys.executable)
    code, out, err = start(tmp_path, PATH=f"{tmp_path}/bin:{real}")
    assert (code, err) == (0, "")
    assert out.startswith("['a b', 'c']")


def test_wrong_interpreters_are_named_in_one_line(tmp_path: Path) -> None:
    """What is needed, what was found and where; several of one kind once, and what does not run not at all."""
    old = fake(tmp_path / "bin", "python3", f"CPython 3.9 on {HERE}")
    fake(tmp_path / "bin", "python", f"CPython 3.9 on {HERE}")
    fake(tmp_path / "bin", "python3.98", "", code=127)
    code, _, err = start(tmp_path, python="3.98", PATH=f"{tmp_path}/bin")
    assert code == 1
    assert err == f"some.pex: needs CPython 3.98 on {HERE}; found CPython 3.9 on {HERE} ({old})\n"


def test_a_real_interpreter_of_another_version_is_told(tmp_path: Path) -> None:
    """The question that interpreters are asked is answered by this one."""
    code, _, err = start(tmp_path, python="3.98", PEX_PYTHON=sys.executable)
    assert code == 1
    assert err.endswith(f"found CPython {MINOR} on {HERE} ({sys.executable})\n")


def test_a_system_that_is_too_old_is_told(tmp_path: Path) -> None:
    """The right Python on a C library older than the wheels' does not get to fail at an import."""
    wheels = ("a-1-cp311-cp311-manylinux_2_999_x86_64.whl",)
    code, _, err = start(tmp_path, wheels=wheels, PEX_PYTHON=sys.executable)
    assert code == 1
    assert f"needs CPython {MINOR} on {HERE} with glibc 2.999 or newer; found CPython {MINOR} on {HERE} with" in err


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"PATH": "/nonexistent"}, "found no Python on PATH that runs"),
        ({"PATH": "/nonexistent", "PEX_PYTHON": "python9"}, "found no python9 on PATH that runs"),
        ({"PEX_PYTHON_PATH": "/nonexistent"}, "found no Python on PEX_PYTHON_PATH that runs"),
    ],
)
def test_no_interpreter_is_one_line_as_well(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    """Where nothing is found, the line says where it was looked for."""
    code, _, err = start(tmp_path, MINOR, (), **environ)
    assert code == 1
    assert err == f"some.pex: needs CPython {MINOR} on {HERE}; {expected}\n"
