"""The script in front of an edition: it starts the interpreter that fits, or says in one line which is needed."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import zipfile
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
PROGRAM = "import os, sys; print(sys.argv[1:], sys.executable, sorted(n for n in os.environ if n.startswith('PEX_')))"
KIB = 1000


def write(file: Path, python: str = MINOR, wheels: tuple[str, ...] = (), kib: int = KIB) -> Path:
    """Write a file with the header and an archive whose program prints its arguments."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("__main__.py", PROGRAM)
    file.write_bytes(
        boot_header(PEX_HEADER, HERE, python, wheels, contents=CONTENTS, kib=kib).encode() + file.read_bytes()
    )
    return file


def start(tmp_path: Path, *, python: str = MINOR, wheels: tuple[str, ...] = (), **environ: str) -> tuple[int, str, str]:
    """Start such a file."""
    return run(write(tmp_path / "some.pex", python, wheels), HOME=str(tmp_path / "home"), **environ)


def run(file: Path, **environ: str) -> tuple[int, str, str]:
    command = ["/bin/sh", str(file), "a b", "c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=file.parent)
    return done.returncode, done.stdout, done.stderr


def ready(root: Path, python: str) -> Path:
    """A copy below ``root`` whose interpreter is a link to ``python``; started, it says so."""
    copy = root / "venvs" / "4" / ("0" * 40) / CONTENTS
    (copy / "bin").mkdir(parents=True)
    (copy / "bin" / "python").symlink_to(python)
    (copy / "__main__.py").write_text("print('the copy')")
    return copy


def fake(folder: Path, name: str, says: str, code: int = 1) -> Path:
    """An interpreter that answers every question with one line."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_the_copy_is_looked_for_where_pex_puts_it(tmp_path: Path) -> None:
    """A copy is started without a search, under a name that no host's interpreter goes into."""
    ready(tmp_path / "root", sys.executable)
    assert start(tmp_path, PEX_ROOT=str(tmp_path / "root"), PATH="/nonexistent") == (0, "the copy\n", "")


@pytest.mark.parametrize("header", ["#!/bin/sh\n", PEX_HEADER * 2, PEX_HEADER.replace("venvs", "other")])
def test_another_script_is_refused(header: str) -> None:
    """A script of another pex is not patched by guessing."""
    with pytest.raises(PexFormatError, match="has changed"):
        boot_header(header, "linux-x86_64", "3.12", [], contents=CONTENTS, kib=KIB)


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
    code, out, err = start(tmp_path, PATH=f"{tmp_path}/bin:{real}:{os.defpath}")
    assert (code, err) == (0, "")
    assert out.startswith("['a b', 'c']")


def test_wrong_interpreters_are_named_in_one_line(tmp_path: Path) -> None:
    """The line names the needed Python and those found, with paths: each kind once, and none that does not run."""
    old = fake(tmp_path / "bin", "python3", f"CPython 3.9 on {HERE}")
    fake(tmp_path / "bin", "python", f"CPython 3.9 on {HERE}")
    fake(tmp_path / "bin", "python3.98", "", code=127)
    code, _, err = start(tmp_path, python="3.98", PATH=f"{tmp_path}/bin")
    assert code == 1
    assert err == f"some.pex: needs CPython 3.98 on {HERE}; found CPython 3.9 on {HERE} ({old})\n"


def test_a_copy_whose_python_is_gone_is_made_again(tmp_path: Path) -> None:
    """After an upgrade of the system the link in the copy leads nowhere; the copy is removed, and the search begins."""
    copy = ready(tmp_path / "root", str(tmp_path / "gone"))
    code, out, err = start(tmp_path, PEX_ROOT=str(tmp_path / "root"), PATH=path_with_python(tmp_path))
    assert (code, err) == (0, "")
    assert out.startswith("['a b', 'c']")
    assert list(copy.parent.iterdir()) == []


def path_with_python(tmp_path: Path) -> str:
    folder = tmp_path / "python"
    folder.mkdir(exist_ok=True)
    (folder / "python3").symlink_to(sys.executable)
    return f"{folder}:{os.defpath}"


def test_settings_for_another_pex_do_not_count(tmp_path: Path) -> None:
    """A variable that makes pex start something else is removed; PEX_ROOT is kept."""
    foreign = {"PEX_INTERPRETER": "1", "PEX_MODULE": "json.tool", "PEX_SCRIPT": "x", "PEX_PATH": "/x", "PEX_TOOLS": "1"}
    file = write(tmp_path / "some.pex")
    code, out, err = run(file, HOME=str(tmp_path), PATH=path_with_python(tmp_path), **foreign)
    assert (code, err) == (0, "")
    assert out.endswith("['PEX_IGNORE_RCFILES', 'PEX_ROOT']\n")


def test_without_home_the_user_s_folder_is_taken(tmp_path: Path) -> None:
    """A shell leaves ~ as it is when HOME is unset: no folder of that name appears."""
    file = write(tmp_path / "some.pex")
    home = pwd.getpwuid(os.getuid()).pw_dir
    (tmp_path / "bin").mkdir()
    fake_id = fake(tmp_path / "bin", "mkdir", "", code=1)  # this test makes no folder
    code, _, err = run(file, PATH=f"{fake_id.parent}:{path_with_python(tmp_path)}")
    assert (code, err.count("\n")) == (1, 1)
    assert f"cannot write to {home}/.cache/pex" in err
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("root", ["~/pex", "~"])
def test_a_tilde_that_no_shell_replaced_is_told(tmp_path: Path, root: str) -> None:
    """A unit file or a container does not replace ~; a folder of that name would appear."""
    code, _, err = start(tmp_path, PEX_ROOT=root, PATH=path_with_python(tmp_path))
    assert (code, err) == (1, f"some.pex: PEX_ROOT is {root}, and no shell replaced the ~; write the whole path\n")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A read-only folder, another user's, a file in its place: one line names it and the variable."""
    (tmp_path / "file").write_text("")
    code, _, err = start(tmp_path, PEX_ROOT=str(tmp_path / "file" / "root"), PATH=path_with_python(tmp_path))
    assert (code, err.count("\n")) == (1, 1)
    assert f"cannot write to {tmp_path}/file/root" in err
    assert "PEX_ROOT" in err


def test_a_file_system_that_runs_no_programs_is_told(tmp_path: Path) -> None:
    """On noexec, libraries could not be loaded; nothing is unpacked there."""
    fake(tmp_path / "bin", "chmod", "", code=0)  # the test file stays without the right to run
    path = f"{tmp_path / 'bin'}:{path_with_python(tmp_path)}"
    root = tmp_path / "root"
    code, _, err = start(tmp_path, PEX_ROOT=str(root), PATH=path)
    assert (code, err.count("\n")) == (1, 1)
    assert "runs no programs (noexec)" in err
    assert list(root.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_unpacked(tmp_path: Path) -> None:
    """The room is compared with the need that the file states."""
    file = write(tmp_path / "some.pex", kib=2**50)
    code, _, err = run(file, PEX_ROOT=str(tmp_path / "root"), PATH=path_with_python(tmp_path))
    assert (code, err.count("\n")) == (1, 1)
    assert f"unpacking takes {2**40}; make room or set PEX_ROOT" in err


def test_a_file_that_was_cut_is_told(tmp_path: Path) -> None:
    """A download that ended early still has its header; the archive behind it has lost its end."""
    file = write(tmp_path / "some.pex")
    file.write_bytes(file.read_bytes()[:-30])
    code, _, err = run(file, PEX_ROOT=str(tmp_path / "root"), PATH=path_with_python(tmp_path))
    assert (code, err) == (1, "some.pex: this file is not whole: its end is missing; copy or download it again\n")


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
    code, _, err = run(write(tmp_path / "some.pex"), HOME=str(tmp_path), **environ)
    assert code == 1
    assert err == f"some.pex: needs CPython {MINOR} on {HERE}; {expected}\n"
