"""Files of npm packages: what is taken out of a package, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from editions.toolchain.fetch import FetchError
from editions.toolchain.npm import package
from editions.toolchain.npm_files import extract, with_paths

SAID = {"name": "@preact/signals", "version": "2.0.0", "license": "MIT"}
LOCK = Path("no.lock")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def packed(members: Mapping[str, str]) -> Path:
    """Write a package as npm packs it."""
    file = Path("preact-signals-2.0.0.tgz")
    with tarfile.open(file, "w:gz") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return file


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('import{a}from"preact";', 'import{a}from"./preact.js";'),
        ("import { a } from 'preact';", "import { a } from './preact.js';"),
        ('import "preact";', 'import "./preact.js";'),
        ('export*from"preact";x="preact"', 'export*from"./preact.js";x="preact"'),
        ('import{a}from"preact/hooks";', 'import{a}from"preact/hooks";'),
        ("x;\n//# sourceMappingURL=x.js.map\n", "x;\n"),
    ],
)
def test_names_of_packages_become_paths(before: str, after: str) -> None:
    """A browser can import the module without a map; other texts stay as they are."""
    assert with_paths(before.encode(), {"preact": "./preact.js"}) == after.encode()


def test_files_and_licences_are_taken_out() -> None:
    """The licence comes with the files, under the name of its package."""
    archive = packed({"package.json": json.dumps(SAID), "LICENSE": "MIT text", "dist/s.mjs": "x", "src/s.ts": "y"})
    facts = extract(archive, {"dist/s.mjs": "signals.js"}, {})
    assert (facts["license"], facts["license_files"]) == ("MIT", ["preact-signals.LICENSE.txt"])
    assert sorted(path.name for path in Path("files").iterdir()) == ["preact-signals.LICENSE.txt", "signals.js"]


@pytest.mark.parametrize("missing", ["LICENSE", "dist/s.mjs"])
def test_a_package_without_its_licence_or_a_file_is_refused(missing: str) -> None:
    """An edition cannot contain what has no licence."""
    members = {"package.json": json.dumps(SAID), "LICENSE": "MIT text", "dist/s.mjs": "x"}
    del members[missing]
    with pytest.raises(FetchError):
        extract(packed(members), {"dist/s.mjs": "signals.js"}, {})


def test_a_package_in_the_folder_that_replaces_the_network_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken when its integrity is the pinned one, and refused with both when it is not."""
    monkeypatch.setenv("FLOVYN_WHEELHOUSE", ".")
    file = packed({"package.json": json.dumps(SAID)})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    assert package("@preact/signals", "2.0.0", integrity, LOCK, LOCK).name == file.name
    with pytest.raises(FetchError, match="do not use it"):
        package("@preact/signals", "2.0.0", "sha512-x", LOCK, LOCK)
