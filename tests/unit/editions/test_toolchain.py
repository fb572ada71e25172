"""Locks, wheels and what they need."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from editions.toolchain import wheelhouse
from editions.toolchain.fetch import FetchError, fetch_pip
from editions.toolchain.lockfile import Lock, LockError, asked_extras, merge, merge_locks, parse_lock
from editions.toolchain.unpack import unpack

HASH = "    --hash=sha256:" + "0" * 64


def test_entries_keep_markers_and_hashes() -> None:
    """An entry is handed to pip as it stands in the lock."""
    entry = f"tzdata==2026.1 ; sys_platform == 'win32' \\\n{HASH}"
    assert parse_lock(f"# comment\n{entry}\nfalcon==4.0.0 \\\n{HASH}\n", "a.lock")["tzdata"] == entry


@pytest.mark.parametrize(
    "text", ["falcon>=4\n", "falcon==4.0.0\n", f"--index-url somewhere\nfalcon==4.0.0 \\\n{HASH}\n"]
)
def test_only_pins_with_hashes(text: str) -> None:
    """A lock that pins less, or names a place to fetch from, is refused."""
    with pytest.raises(LockError, match="lock again"):
        parse_lock(text, "a.lock")


def test_locks_must_agree(tmp_path: Path) -> None:
    """A wheel that two locks name is one wheel."""
    one, two = tmp_path / "one.lock", tmp_path / "two.lock"
    one.write_text(f"falcon==4.0.0 \\\n{HASH}\n")
    two.write_text(f"falcon==4.1.0 \\\n{HASH}\n")
    assert list(merge_locks([one, one])) == ["falcon"]
    with pytest.raises(LockError, match=r"falcon: one\.lock pins 4\.0\.0, but two\.lock pins 4\.1\.0; .*editions:lock"):
        merge_locks([one, two])


def locked(name: str, marker: str = "", digit: str = "0") -> Lock:
    return Lock(name, {"falcon": f"falcon==4.0.0{marker} \\\n    --hash=sha256:{digit * 64}"})


def test_a_conflict_names_both_locks_as_the_workspace_does(tmp_path: Path) -> None:
    """A label is shown as people write it, in every Bazel."""
    file = tmp_path / "requirements.lock"
    file.write_text(f"falcon==4.1.0 \\\n{HASH}\n")
    names = ["@@//:requirements.lock", "@//:requirements.lock", "@@acme//:requirements.lock"]
    assert [Lock.read(file, name).name for name in names] == ["//:requirements.lock"] * 2 + [
        "@acme//:requirements.lock"
    ]
    with pytest.raises(LockError, match=r"falcon: runtime\.lock pins 4\.0\.0, but //:requirements\.lock pins 4\.1\.0"):
        merge([locked("runtime.lock"), Lock.read(file, names[0])])


def test_locks_of_one_version_must_share_a_file() -> None:
    """Equal versions with other bytes are a conflict, too; one that is equal in part keeps the first lock's hashes."""
    with pytest.raises(LockError, match=r"falcon 4\.0\.0: a\.lock and b\.lock pin other files"):
        merge([locked("a.lock"), locked("b.lock", digit="1")])


def test_a_wheel_is_there_where_one_of_the_locks_wants_it() -> None:
    """Markers are joined: what one lock needs everywhere is needed everywhere."""
    first, second = locked("a.lock", " ; os_name == 'nt'"), locked("b.lock", " ; os_name == 'posix'")
    assert "; (os_name == 'nt') or (os_name == 'posix') \\" in merge([first, second])["falcon"]
    assert ";" not in merge([first, locked("c.lock")])["falcon"]
    assert merge([first, first]) == first.entries


def test_a_locked_pip_at_hand_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of wheels with the locked pip needs none of the machine's; one with other bytes is not started."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    pip = wheels / "pip-1-py3-none-any.whl"
    _program(pip, "pip/__main__.py", "")
    monkeypatch.setenv("FLOVYN_WHEELHOUSE", str(wheels))
    locked = f"pip==1 --hash=sha256:{hashlib.sha256(pip.read_bytes()).hexdigest()}"
    assert fetch_pip(locked, tmp_path / "pip") == pip
    _program(pip, "pip/__main__.py", "raise SystemExit(0)")
    with pytest.raises(FetchError):
        fetch_pip(locked, tmp_path / "pip")


def _program(wheel: Path, name: str, text: str) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(name, text)


def test_an_edition_starts_with_one_variant_of_its_boot_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pex comes in variants with other files for newer Pythons; which Python builds does not choose among them."""
    asked: dict[str, Sequence[str]] = {}

    def fetch(entries: Mapping[str, str], _pip: Path, _to: Path, options: Sequence[str] = ()) -> None:
        asked.update(dict.fromkeys(entries, options))

    monkeypatch.setattr(wheelhouse, "fetch", fetch)
    wheelhouse.fetch_all({"pex": "pex==1.0", "pip": "pip==1.0"}, {}, Path("pip.whl"), None)
    assert asked == {"pex": ["--python-version", "3.11"], "pip": ()}


def test_extras(tmp_path: Path) -> None:
    """Extras are read from what was asked for, since locks drop them."""
    path = tmp_path / "a.in"
    path.write_text("psycopg[binary, pool]\nfalcon\n")
    assert asked_extras([path]) == {"psycopg": {"binary", "pool"}}


def test_unpack(tmp_path: Path) -> None:
    """Modules are compiled, scripts can be run, other data is left out."""
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/__init__.py", "A = 1\n")
        archive.writestr("a-1.data/scripts/tool", "#!/bin/sh\n")
        archive.writestr("a-1.data/data/share/x", "x")
    unpack(wheel, tmp_path / "out")
    found = {
        str(path.relative_to(tmp_path / "out")).split(".cpython")[0]
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert found == {"bin/tool", "site-packages/a/__init__.py", "site-packages/a/__pycache__/__init__"}
    assert (tmp_path / "out/bin/tool").stat().st_mode & 0o100


def test_unpack_stays_inside(tmp_path: Path) -> None:
    """A wheel cannot write outside of its folder."""
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../evil.py", "")
    with pytest.raises(ValueError, match="outside"):
        unpack(wheel, tmp_path / "out")
