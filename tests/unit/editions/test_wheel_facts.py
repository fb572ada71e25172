"""The facts about wheels: licences as their authors state them, and only wheels that the lock pins."""

from __future__ import annotations

import hashlib
import json
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from editions.toolchain.lockfile import parse_lock
from editions.tools.wheel_facts import licence, licence_files, main, supplier

DIST = ".deps/a-1.0-py3-none-any.whl/a-1.0.dist-info"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT\nLicense: other", "MIT"),
        ("License: BSD-3-Clause\nClassifier: License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        (f"License: {'Permission is granted ' * 9}\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: Apache License, Version 2.0", "Apache-2.0"),
        ("License: words of the author", "words of the author"),
        ("Classifier: License :: OSI Approved :: BSD License", "BSD License"),
        (
            "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved :: ISC License",
            "MIT AND ISC",
        ),
        ("Name: a", "unknown"),
    ],
)
def test_licence(metadata: str, expected: str) -> None:
    """The expression wins over words, words over classifiers; words that mean one licence become its SPDX id."""
    assert licence(HeaderParser().parsestr(metadata)) == expected


BINARY = "Redistributions in binary form must\n  reproduce the above copyright notice"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BINARY, "BSD-2-Clause"),
        (f"{BINARY} …\nNeither the name of the holder", "BSD-3-Clause"),
        ("a text of another kind", "BSD License"),
    ],
)
def test_the_text_tells_licences_of_bsd_apart(text: str, expected: str) -> None:
    """``BSD License`` means several licences; only the text says which."""
    metadata = HeaderParser().parsestr("Classifier: License :: OSI Approved :: BSD License")
    assert licence(metadata, ["another text", text]) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("Maintainer: A Team\nAuthor: B", "A Team"),
        ("Author-email: B <b@x.org>, c@x.org", "B, c@x.org"),
        ("Name: a", ""),
    ],
)
def test_supplier(metadata: str, expected: str) -> None:
    """Maintainers come before authors, names before addresses; nothing is made up."""
    assert supplier(HeaderParser().parsestr(metadata)) == expected


def test_licence_files() -> None:
    """Files that the metadata names count, in either place; without names, what is called like a licence."""
    names = [f"{DIST}/METADATA", f"{DIST}/licenses/LICENSE", f"{DIST}/licenses/src/NOTICE", f"{DIST}/COPYING"]
    named = HeaderParser().parsestr("License-File: LICENSE\nLicense-File: src/NOTICE\n")
    assert licence_files(names, named) == names[1:3]
    assert licence_files(names, HeaderParser().parsestr("Name: a")) == sorted(names[1:])


def describe(tmp_path: Path, lock: str, more: str = "") -> tuple[int, Path]:
    wheel = tmp_path / "a-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    pex = tmp_path / "deps.pex"
    with zipfile.ZipFile(pex, "w") as archive:
        archive.writestr(f"{DIST}/METADATA", "License-Expression: MIT\nLicense-File: LICENSE\n")
        archive.writestr(f"{DIST}/licenses/LICENSE", "text")
    locks = [{"name": "runtime.lock", "sha256": "0" * 64, "entries": parse_lock(lock, "runtime.lock")}]
    if more:
        locks.append(
            {"name": "requirements.lock", "sha256": "1" * 64, "entries": parse_lock(more, "requirements.lock")}
        )
    (tmp_path / "locks.json").write_text(json.dumps(locks))
    boot = tmp_path / "pex-2.0-py3-none-any.whl"
    with zipfile.ZipFile(boot, "w") as archive:
        archive.writestr("pex-2.0.dist-info/METADATA", "License-Expression: Apache-2.0\n")
    out = tmp_path / "wheels.json"
    arguments = ["--label=//editions:x", f"--pex={pex}", f"--locks={tmp_path}/locks.json", f"--out={out}"]
    arguments += ["--boot", "pex", "2.0", str(boot)]
    return main([*arguments, "--wheel", "a", "1.0", str(wheel)]), out


def test_a_locked_wheel(tmp_path: Path) -> None:
    """A wheel of the lock is described as it lies in the file."""
    digest = hashlib.sha256(b"wheel").hexdigest()
    status, out = describe(tmp_path, f"a==1.0 \\\n    --hash=sha256:{digest}\n")
    (wheel,) = json.loads(out.read_text())["wheels"]
    assert status == 0
    assert json.loads(out.read_text())["boot"]["license"] == "Apache-2.0"
    assert (wheel["sha256"], wheel["license"], wheel["license_files"]) == (digest, "MIT", [f"{DIST}/licenses/LICENSE"])


def test_the_lock_of_a_plugin_counts_where_it_alone_pins_a_wheel(tmp_path: Path) -> None:
    """Its digest is told then, and only then."""
    pinned = f"a==1.0 \\\n    --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}\n"
    other = f"b==1.0 \\\n    --hash=sha256:{'0' * 64}\n"
    expected = [{"name": "requirements.lock", "sha256": "1" * 64}]
    for server, plugin, locks in ((other, pinned, expected), (pinned, pinned, []), (pinned, other, [])):
        status, out = describe(tmp_path, server, plugin)
        assert (status, json.loads(out.read_text())["plugin_locks"]) == (0, locks)


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        (f"b==1.0 \\\n    --hash=sha256:{'0' * 64}\n", "//editions:x: not in runtime.lock: wheel a. Add"),
        (
            f"a==1.0 \\\n    --hash=sha256:{'0' * 64}\n",
            "//editions:x: not the one that runtime.lock pins: wheel a 1.0",
        ),
        (
            f"a==1.1 \\\n    --hash=sha256:{'0' * 64}\n",
            "//editions:x: not the one that runtime.lock pins: wheel a 1.0",
        ),
    ],
)
def test_a_wheel_that_is_not_locked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lock: str, expected: str
) -> None:
    """A lock that lacks a wheel, or pins another one, stops the edition with the wheel's name and what to do."""
    status, out = describe(tmp_path, lock)
    assert status == 1
    assert capsys.readouterr().err.startswith(expected)
    assert not out.exists()
