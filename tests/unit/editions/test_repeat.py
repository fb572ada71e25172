"""The comparison of two builds: it takes all files of a target, and says where the first difference is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from editions.tools.first_difference import first_difference
from editions.tools.repeat import collect_wheels, differences, otherwise, outputs


def archive(path: Path, *members: tuple[str, str], date: int = 1980) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, content in members:
            made.writestr(zipfile.ZipInfo(name, (date, 1, 1, 0, 0, 0)), content)
    return path


def test_equal_files(tmp_path: Path) -> None:
    """Equal bytes are no difference."""
    same = [archive(tmp_path / name, ("a", "1"), ("b", "2")) for name in ("one", "other")]
    assert first_difference(*same) is None


@pytest.mark.parametrize(
    ("members", "date", "expected"),
    [
        ([("a", "1"), ("b", "in 2"), ("c", "4")], 1980, "member b, at byte 3\n  here:  b'in 1'\n  there: b'in 2'"),
        ([("a", "1"), ("c", "3"), ("b", "in 1")], 1980, "the list of members\n  here:  'b'\n  there: 'c'"),
        ([("a", "1"), ("b", "in 1")], 1980, "the list of members\n  here:  'c'\n  there: nothing"),
        ([("a", "1"), ("b", "in 1"), ("c", "3")], 1990, "date_time of member a\n  here:  (1980, "),
    ],
)
def test_the_first_member_that_differs(
    tmp_path: Path, members: list[tuple[str, str]], date: int, expected: str
) -> None:
    """Its content, its place or what the archive says of it; those behind it are not told."""
    one = archive(tmp_path / "one", ("a", "1"), ("b", "in 1"), ("c", "3"))
    found = first_difference(one, archive(tmp_path / "other", *members, date=date))
    assert found is not None
    assert found.startswith(expected)


def test_the_bytes_in_front_of_an_archive_are_found(tmp_path: Path) -> None:
    """Archives with equal members can differ in the script before them."""
    one, other = (archive(tmp_path / name, ("a", "1")) for name in ("one", "other"))
    other.write_bytes(b"#!/bin/sh\n" + other.read_bytes())
    assert "the file, at byte 0\n  here:  b'PK" in str(first_difference(one, other))


def test_files_on_one_side_only(tmp_path: Path) -> None:
    """A file that only one build made is a difference."""
    (tmp_path / "a").write_text("1")
    one = {"a": tmp_path / "a"}
    assert list(differences(one, {})) == ["a came out of one build only"]
    assert list(differences(one, one)) == []


def test_all_outputs_of_a_target_are_taken(tmp_path: Path) -> None:
    """Every file of the groups that were asked for, sets of sets included, and none that Bazel keeps to itself."""
    events = [
        {
            "id": {"namedSet": {"id": "0"}},
            "namedSetOfFiles": {"files": [{"name": "e/a.pex", "uri": "file:///x/a%20b.pex"}]},
        },
        {
            "id": {"namedSet": {"id": "1"}},
            "namedSetOfFiles": {"files": [{"name": "e/a.json", "uri": "file:///x/a.json"}], "fileSets": [{"id": "0"}]},
        },
        {"id": {"namedSet": {"id": "2"}}, "namedSetOfFiles": {"files": [{"name": "e/sums", "uri": "file:///x/sums"}]}},
        {"id": {"namedSet": {"id": "3"}}, "namedSetOfFiles": {"files": [{"name": "e/boot", "uri": "file:///x/boot"}]}},
        {
            "completed": {
                "outputGroup": [
                    {"name": "default", "fileSets": [{"id": "1"}]},
                    {"name": "proof", "fileSets": [{"id": "2"}]},
                    {"name": "_hidden", "fileSets": [{"id": "3"}]},
                ]
            }
        },
    ]
    file = tmp_path / "events.json"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert {name: str(path) for name, path in outputs(file).items()} == {
        "e/a.pex": "/x/a b.pex",
        "e/a.json": "/x/a.json",
        "e/sums": "/x/sums",
    }


def test_wheels_of_all_targets_are_collected(tmp_path: Path) -> None:
    """Wheels of this machine and of other platforms, pip's and npm packages are in one folder for the second build."""
    for name in (
        "wheels/whl/a.whl",
        "wheels_linux_aarch64_py312/whl/b.whl",
        "wheels/pip/pip.whl",
        "wheels/unpacked/c.whl",
        "npm_d/d.tgz",
    ):
        path = tmp_path / "external" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    folder = collect_wheels(tmp_path, tmp_path / "all")
    assert sorted(path.name for path in folder.iterdir()) == ["a.whl", "b.whl", "d.tgz", "pip.whl"]


def test_the_surroundings_that_the_second_build_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that names the user, the home, the time zone or the locale is handed on."""
    for name in ("HOME", "LC_ALL", "LOGNAME", "PYTHONHASHSEED", "TZ", "USER"):
        monkeypatch.setenv(name, "the first one's")
    environment = otherwise(tmp_path, tmp_path, None, None)
    assert "the first one's" not in environment.values()
