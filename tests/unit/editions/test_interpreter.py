"""Interpreters that editions carry: what is pinned, what is taken, and what is said of those that cannot be had."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from editions.toolchain.interpreter import ARCHIVE, FOLDER, InterpreterError, main, pin_of, read_pins

NAME = "cpython-3.11.9+20240726-x86_64-unknown-linux-gnu-install_only.tar.gz"
CONTENT = b"an archive"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
AGAIN = "run: ./bazelw sync --only=interpreter_x"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that pins one archive; what is written goes into an empty folder."""
    path = tmp_path / "interpreters.sha256"
    path.write_text(f"# a comment\n\n{SHA256}  {NAME}\n")
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    monkeypatch.delenv(FOLDER, raising=False)
    return path


def described(monkeypatch: pytest.MonkeyPatch, lock: Path, python: str = "3.11") -> str:
    """Run the program as its repository rule does, and return the BUILD file."""
    arguments = ["--platform", "linux-x86_64", "--python", python, "--repository", "interpreter_x", "--lock", str(lock)]
    monkeypatch.setattr(sys, "argv", ["interpreter", *arguments])
    assert main() == 0
    return Path("BUILD.bazel").read_text()


def test_the_pinned_archive_is_taken(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it, so that what was checked is what is used."""
    (tmp_path / NAME).write_bytes(CONTENT)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    text = described(monkeypatch, lock)
    assert f'archive = "{ARCHIVE}"' in text
    assert 'missing = ""' in text
    assert Path(ARCHIVE).read_bytes() == CONTENT


def test_an_interpreter_that_cannot_be_had_is_described(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pin, no folder, no file, another file: each in one line that says what to do."""
    lacking = []
    lacking.append(described(monkeypatch, lock, "3.12"))
    lacking.append(described(monkeypatch, lock))
    monkeypatch.setenv(FOLDER, str(tmp_path))
    lacking.append(described(monkeypatch, lock))
    (tmp_path / NAME).write_bytes(b"another")
    lacking.append(described(monkeypatch, lock))
    expected = [
        (
            "no interpreter is pinned for linux-x86_64, CPython 3.12;"
            " ./bazelw run //editions:interpreters -- pin adds the newest"
        ),
        (
            f"FLOVYN_INTERPRETERS is not set; set it to the folder that holds {NAME}"
            " (./bazelw run //editions:interpreters -- fetch brings it)"
        ),
        f"{NAME} is not in {tmp_path} (FLOVYN_INTERPRETERS); put it there and {AGAIN}",
        (
            f"{tmp_path / NAME} is not what is pinned: expected sha256 {SHA256},"
            f" found {hashlib.sha256(b'another').hexdigest()}; put the right one there and {AGAIN}"
        ),
    ]
    assert [f'missing = "{line}"' in text for text, line in zip(lacking, expected, strict=True)] == [True] * 4
    assert all("archive = None" in text for text in lacking)
    assert not Path(ARCHIVE).exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (NAME, "interpreters.sha256:4: is not '<sha256>  <file>'"),
        (f"{'0' * 63}  a.tar.gz", "interpreters.sha256:4: is not"),
        (f"{SHA256}  folder/a.tar.gz", "interpreters.sha256:4: is not"),
        (f"{'0' * 64}  {NAME}", f"interpreters.sha256:4: {NAME.replace('+', '.')} is pinned twice"),
    ],
)
def test_a_lock_that_is_none_is_refused(lock: Path, line: str, expected: str) -> None:
    """With the place of the line."""
    lock.write_text(f"{lock.read_text()}{line}\n")
    with pytest.raises(InterpreterError, match=expected):
        read_pins(lock)


def test_the_name_says_what_an_archive_is_for() -> None:
    """Platform and Python, to the letter; two for one are refused, because the build does not guess."""
    others = ["cpython-3.11.9+1-x86_64_v3-unknown-linux-gnu-install_only.tar.gz", NAME.replace("3.11", "3.1")]
    pins = dict.fromkeys([NAME, NAME.replace("x86_64-unknown-linux-gnu", "aarch64-apple-darwin"), *others], SHA256)
    assert pin_of(pins, "linux-x86_64", "3.11") == NAME
    with pytest.raises(InterpreterError, match=r"several pins in .*; keep one"):
        pin_of({**pins, NAME.replace("only", "only_stripped"): SHA256}, "linux-x86_64", "3.11")
