"""``cache list`` and ``cache prune`` of built editions, in a folder of each test's own."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.errors import Unavailable
from server.cli import pex_cache
from tests.support.pex import Serving, run

WEEK_S = 7 * 86_400
Edition = Callable[..., dict[str, Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that editions are unpacked into."""
    return tmp_path / "pex root"


@pytest.fixture
def cache(root: Path) -> Edition:
    """Runs ``cache`` of the full edition and returns what it says."""

    def call(*arguments: str) -> dict[str, Any]:
        done = run("FULL_PEX", "cache", *arguments, "--json", PEX_ROOT=str(root))
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return call


def start(variable: str, root: Path) -> subprocess.CompletedProcess[str]:
    return run(variable, "version", PEX_ROOT=str(root))


def age(root: Path) -> None:
    """Let everything in the folder look as if it was started a week ago."""
    for marker in root.glob("venvs/*/*/*/.last-access"):
        os.utime(marker, (time.time() - WEEK_S,) * 2)


def wheels(root: Path) -> set[str]:
    return {path.name for path in root.glob("installed_wheels/*/*/*.whl")}


def names(answer: dict[str, Any], heading: str) -> list[str]:
    return [each["edition"] for each in answer[heading]]


def test_a_copy_whose_python_is_gone_is_unpacked_again(root: Path) -> None:
    """After an upgrade of the system, the copy's link to its Python leads nowhere; the next start mends that."""
    start("MINIMAL_PEX", root)
    (link,) = root.glob("venvs/*/*/*/bin/python")
    target = link.readlink()
    link.unlink()
    link.symlink_to("/nonexistent/python3")
    done = start("MINIMAL_PEX", root)
    assert (done.returncode, done.stderr) == (0, "")
    assert link.readlink() == target
    assert not list(root.glob("venvs/*/*/*.gone.*"))


def test_the_list_says_what_is_there(root: Path, cache: Edition) -> None:
    """Name, version, size and last start of each edition, and that the one that asks is running."""
    start("MINIMAL_PEX", root)
    age(root)
    full, minimal = cache("list")["unpacked"]
    assert (full["edition"], full["running"]) == ("full", True)
    assert (minimal["edition"], minimal["running"]) == ("minimal", False)
    assert minimal["version"] == json.loads(run("FULL_PEX", "version", "--json").stdout)["version"]
    assert 1e6 < minimal["bytes"] < full["bytes"]  # full has wheels for itself alone
    assert minimal["last_use"] < full["last_use"]


def test_an_old_edition_goes_and_shared_files_stay(root: Path, cache: Edition) -> None:
    """The edition that goes takes its own wheels along; others run on, and it comes back when it is started."""
    start("MINIMAL_PEX", root)
    shared = wheels(root)
    start("FULL_PEX", root)
    assert wheels(root) > shared
    age(root)
    done = run("MINIMAL_PEX", "cache", "prune", "--older-than", "1", "--json", PEX_ROOT=str(root))
    assert names(json.loads(done.stdout), "removed") == ["full"]
    assert wheels(root) == shared
    assert not list(root.rglob("*.removed"))
    assert len(list(root.glob("venvs/*/s/*/venv"))) == 1
    assert start("MINIMAL_PEX", root).returncode == 0
    assert names(cache("list"), "unpacked") == ["full", "minimal"]


def test_a_dry_run_removes_nothing(root: Path, cache: Edition) -> None:
    """It names what would go."""
    start("MINIMAL_PEX", root)
    age(root)
    assert names(cache("prune", "--older-than", "1", "--dry-run"), "would_remove") == ["minimal"]
    assert names(cache("list"), "unpacked") == ["full", "minimal"]


def test_an_edition_that_was_started_lately_stays(root: Path, cache: Edition) -> None:
    """Thirty days by default, and a minute whatever was asked for: a start may not have come to its lock yet."""
    start("MINIMAL_PEX", root)
    assert names(cache("prune", "--older-than", "0"), "removed") == []
    age(root)
    assert names(cache("prune"), "removed") == []


def test_a_running_server_is_never_removed(root: Path, cache: Edition, empty_database: str) -> None:
    """Neither it nor what it has linked, however long ago it was started; when it has ended, it goes."""
    with Serving("MINIMAL_PEX", empty_database, PEX_ROOT=str(root)) as server:
        age(root)
        assert names(cache("prune", "--older-than", "1"), "removed") == []
        assert server.get("/_/health/ready")[0] == 200
    age(root)
    assert names(cache("prune", "--older-than", "1"), "removed") == ["minimal"]


def test_a_held_environment_is_never_removed(root: Path) -> None:
    """A process holds a lock on its environment as long as it runs; without one, the environment goes."""
    start("MINIMAL_PEX", root)
    age(root)
    (found,) = pex_cache.unpacked(root)
    assert not found.running
    with (found.path / "PEX-INFO").open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_SH)
        assert pex_cache.unpacked(root)[0].running
        assert pex_cache.remove(root, [found]) == []
    assert pex_cache.remove(root, [found]) == [found]
    assert not wheels(root)


def test_a_file_that_may_be_held_is_not_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks nothing is removed."""
    start("MINIMAL_PEX", root)
    age(root)
    found = pex_cache.unpacked(root)

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("server.cli.in_use.fcntl.flock", refuse)
    with pytest.raises(Unavailable, match=r"offers no locks \(No locks available\)"):
        pex_cache.remove(root, found)
    assert pex_cache.unpacked(root)[0].running


def test_other_programs_files_are_left_alone(root: Path) -> None:
    """An environment of another PEX stays, with the wheels that it names, even when an edition shares them."""
    start("MINIMAL_PEX", root)
    (about,) = root.glob("venvs/*/*/*/PEX-INFO")
    info = json.loads(about.read_text())
    wheel = next(iter(info["distributions"].values()))
    other = about.parents[2] / ("0" * 40) / ("1" * 40)
    other.mkdir(parents=True)
    mine = {"entry_point": "other:main", "pex_hash": "0" * 40, "distributions": {"x.whl": wheel}}
    (other / "PEX-INFO").write_text(json.dumps(mine))
    age(root)
    (found,) = pex_cache.unpacked(root)
    assert pex_cache.remove(root, [found]) == [found]
    assert (other / "PEX-INFO").exists()
    assert [path.parent.name for path in root.glob("installed_wheels/*/*/*.whl")] == [wheel]


def test_a_copy_that_is_being_unpacked_is_no_edition_yet(root: Path) -> None:
    """Its folder has another name until it is whole, and may vanish at any moment."""
    start("MINIMAL_PEX", root)
    (about,) = root.glob("venvs/*/*/*/PEX-INFO")
    unfinished = about.parents[1].with_name("2" * 40) / (about.parent.name + ".lck.work")
    unfinished.mkdir(parents=True)
    (unfinished / "PEX-INFO").write_text('{"half')
    assert [each.path for each in pex_cache.unpacked(root)] == [about.parent.resolve()]


def test_starts_and_removals_at_once(root: Path, cache: Edition) -> None:
    """Editions that unpack themselves while another is removed again and again all start."""
    cache("list")
    stop = threading.Event()

    def prune() -> None:
        while not stop.is_set():
            for marker in root.glob("venvs/*/*/*/.last-access"):
                if "minimal" in (marker.parent / "pyvenv.cfg").read_text():
                    os.utime(marker, (time.time() - 2 * pex_cache.JUST_STARTED_S,) * 2)
            cache("prune", "--older-than", "0.001")

    with ThreadPoolExecutor() as pool:
        pruning = pool.submit(prune)
        try:
            ended = list(pool.map(lambda _: start("OUT_OF_TREE_PEX", root), range(4)))
        finally:
            stop.set()
        pruning.result()
    assert [done.stderr for done in ended if done.returncode] == []
    assert "out_of_tree" in names(cache("list"), "unpacked")
