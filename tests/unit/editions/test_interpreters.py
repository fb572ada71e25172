"""Interpreters are pinned from a list, and fetched whole and right or not at all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from editions.toolchain.interpreter import FOLDER, TRIPLES, InterpreterError, pin_of, read_pins
from editions.tools import interpreters
from editions.tools.interpreters import Listed, fetch, main, pin, states

CELL = ("linux-x86_64", "3.12")
CONTENT = b"an archive"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ROOT = Path(__file__).parents[3]


def name(version: str, release: str, kind: str = "install_only", triple: str = TRIPLES["linux-x86_64"]) -> str:
    return f"cpython-{version}+{release}-{triple}-{kind}.tar.gz"


def source(*names: str, url: str = "https://there/", sha256: str | None = SHA256) -> Listed:
    files: list[dict[str, Any]] = [{"filename": each, "sha256": sha256, "url": url + each} for each in names]
    return Listed([{"files": files}])


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock that pins an old archive."""
    path = tmp_path / "interpreters.sha256"
    path.write_text(f"# why\n{'0' * 64}  {name('3.12.1', '20240101')}\n")
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_newest_is_chosen() -> None:
    """Numbers count as numbers, a newer patch before a newer build of an older one, stripped before not."""
    newest = name("3.12.10", "20260102", "install_only_stripped")
    others = [name("3.12.9", "20260301"), name("3.12.10", "20260101"), name("3.12.10", "20260102")]
    foreign = [name("3.13.1", "20260401"), name("3.12.11", "20260401", triple="x86_64-unknown-linux-musl")]
    assert source(*others, newest, *foreign).newest(CELL) == newest
    assert source(name("3.12.11", "20260401"), sha256=None).newest(CELL) is None


def test_pins_are_replaced_and_comments_kept(lock: Path) -> None:
    """The changes are listed; a second call finds none."""
    new = name("3.12.2", "20260101")
    assert pin(lock, [CELL], source(new)) == [f"removed {name('3.12.1', '20240101')}", f"pinned {new}"]
    assert lock.read_text() == f"# why\n{SHA256}  {new}\n"
    assert pin(lock, [CELL], source(new)) == []


def test_one_that_is_not_listed_changes_no_pin(lock: Path) -> None:
    """Even when others are."""
    before = lock.read_text()
    with pytest.raises(
        InterpreterError, match=r"no interpreter for macos-arm64-py3\.12; interpreters\.sha256 is as it"
    ):
        pin(lock, [CELL, ("macos-arm64", "3.12")], source(name("3.12.2", "20260101")))
    assert lock.read_text() == before


def test_an_archive_is_fetched(mirror: tuple[Path, str], tmp_path: Path) -> None:
    """Into a folder that need not exist."""
    folder, url = mirror
    archive = name("3.12.2", "20260101")
    (folder / archive).write_bytes(CONTENT)
    fetch(archive, SHA256, source(archive, url=f"{url}/").url(archive, None), tmp_path / "new/here")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new/here").iterdir()] == [(archive, CONTENT)]
    fetch(archive, SHA256, source(archive).url(archive, f"{url}/"), tmp_path / "again")
    assert (tmp_path / "again" / archive).read_bytes() == CONTENT


def test_a_wrong_or_missing_file_is_not_kept(mirror: tuple[Path, str], tmp_path: Path) -> None:
    """One message with the address; nothing is left of it."""
    folder, url = mirror
    (folder / "a").write_bytes(b"another")
    for file, said in (("a", f"expected sha256 {SHA256}, found "), ("b", "cannot be fetched: HTTP Error 404")):
        with pytest.raises(InterpreterError, match=said):
            fetch(file, SHA256, f"{url}/{file}", tmp_path / "here")
    with pytest.raises(InterpreterError, match="nowhere cannot be fetched"):
        fetch("a", SHA256, "nowhere", tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []
    with pytest.raises(InterpreterError, match="not listed by the locked pbs-installer"):
        source().url("a", None)


def test_the_command(
    lock: Path,
    mirror: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pins, fetches what is not here or is damaged, and says which archives there are."""
    archive = name("3.12.2", "20260101")
    monkeypatch.setattr(interpreters, "LOCK", lock)
    monkeypatch.setattr(interpreters, "listed", lambda: source(archive))
    monkeypatch.setattr(interpreters, "all_cells", lambda _root: [CELL])
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    monkeypatch.setenv(interpreters.MIRROR, mirror[1])
    monkeypatch.delenv(FOLDER, raising=False)
    (mirror[0] / archive).write_bytes(CONTENT)

    def said(*arguments: str) -> tuple[int, list[str]]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, (captured.out + captured.err).splitlines()

    assert said("pin") == (0, [f"removed {name('3.12.1', '20240101')}", f"pinned {archive}"])
    assert said() == (0, [f"linux-x86_64-py3.12    {archive}  (not here)"])
    assert said("fetch")[1] == [f"error: {FOLDER} is not set; set it to the folder that is to hold the archives"]
    monkeypatch.setenv(FOLDER, "here")
    assert said("fetch", "plan9-py3.12") == (1, ["error: there is no 'plan9-py3.12'; there are linux-x86_64-py3.12"])
    assert said("fetch") == (0, [f"{archive} fetched"])
    assert said("fetch", "linux-x86_64-py3.12") == (0, [f"{archive} is in {tmp_path / 'here'}"])
    (tmp_path / "here" / archive).write_bytes(b"damaged")
    assert said("fetch") == (0, [f"{archive} fetched"])
    assert said("list") == (0, [f"linux-x86_64-py3.12    {archive}"])


def test_every_platform_and_python_is_pinned_as_it_is_listed() -> None:
    """By the locked pbs-installer: no digest in the lock is anybody's invention."""
    pins, listed = read_pins(ROOT / interpreters.LOCK), interpreters.listed()
    assert {pin_of(pins, *cell) for cell in interpreters.all_cells(ROOT)} == set(pins)
    assert pins.items() <= listed.sha256.items()


def test_a_cell_without_a_pin_is_told() -> None:
    """As the build would."""
    (line,) = states({}, [CELL], None)
    assert line.startswith("linux-x86_64-py3.12    no interpreter is pinned for linux-x86_64, CPython 3.12; ")
