"""``cache`` of files that carry their interpreter: what those leave goes with the editions that need it, and not before."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from editions.tools.write_scie import write_scie
from server.cli import scie_cache
from server.cli.pex_cache import REMOVED
from tests.support.pex import Serving, pex
from tests.support.scie import MINOR, Machine

WEEK_S = 7 * 86_400
Cache = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The full edition with another archive of an interpreter."""
    folder = tmp_path_factory.mktemp("other")
    archive = folder / "python.tar.gz"
    archive.write_bytes(gzip.compress(gzip.decompress(pex("INTERPRETER").read_bytes()), 1, mtime=1))
    write_scie(pex("FULL_PEX"), archive, MINOR, folder / "full")
    return folder / "full"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Without any start so far."""
    return Machine(tmp_path)


@pytest.fixture
def cache(machine: Machine) -> Cache:
    """Runs ``cache`` of the minimal edition and returns what it says."""

    def call(*arguments: str) -> dict[str, Any]:
        code, out, err = machine.start(pex("MINIMAL_SCIE"), "cache", *arguments, "--json")
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        return answer

    return call


def age(machine: Machine) -> None:
    """Let everything look as if it was started a week ago."""
    marks = ("interpreters/*", "editions/*", "interpreters/*/.last-start", "editions/*/.last-start")
    for pattern in (*marks, "pex/*/venvs/*/*/*/.last-access"):
        for mark in machine.home.glob(pattern):
            os.utime(mark, (time.time() - WEEK_S,) * 2)


def kinds(answer: dict[str, Any]) -> list[str]:
    return [Path(each["path"]).parent.name for each in answer["carried"]]


def test_the_list_says_what_was_carried(machine: Machine, cache: Cache, other: Path) -> None:
    """Editions of all interpreters, the interpreters, and the editions' files; who runs needs what it was started from."""
    machine.start(other, "version")
    answer = cache("list")
    assert answer["root"] == str(machine.home)
    assert sorted((each["edition"], each["running"]) for each in answer["unpacked"]) == [
        ("full", False),
        ("minimal", True),
    ]
    assert kinds(answer) == ["interpreters", "interpreters", "editions", "editions"]
    assert [each["needed"] for each in answer["carried"][:2]] == [True, True]
    running = {Path(each["path"]).name: each["needed"] for each in answer["carried"][2:]}
    (own,) = (path.parent.name for path in machine.home.glob("editions/*/minimal.pex"))
    assert running.pop(own) is True
    assert set(running.values()) == {False}
    text = machine.start(other, "cache", "list")[1].splitlines()
    assert text[0].startswith(f"unpacked in {machine.home}: 2 editions, ")
    assert len(text) == 1 + 2 + 4


def test_an_old_edition_goes_with_its_interpreter(machine: Machine, cache: Cache, other: Path) -> None:
    """A running edition keeps its interpreter; the other edition unpacks its own again at its next start."""
    machine.start(other, "version")
    before = machine.kept()
    machine.start(pex("MINIMAL_SCIE"), "version")
    own = [path for path in machine.kept() if path not in before]
    age(machine)
    would = cache("prune", "--older-than", "1", "--dry-run")
    assert machine.kept() == sorted([*before, *own])
    gone = cache("prune", "--older-than", "1")
    assert [each["edition"] for each in gone["removed"]] == ["full"]
    assert kinds(gone) == ["interpreters", "editions"]
    assert [each["path"] for each in would["carried"]] == [each["path"] for each in gone["carried"]]
    assert machine.kept() == own
    assert machine.start(other, "version")[0] == 0
    assert machine.kept() == sorted([*before, *own])


def test_an_edition_that_was_started_lately_stays(machine: Machine, cache: Cache, other: Path) -> None:
    """A minute whatever was asked for: every start renews the marks before it looks at anything."""
    machine.start(other, "version")
    assert kinds(cache("prune", "--older-than", "0")) == []
    age(machine)
    machine.start(other, "version")
    assert kinds(cache("prune", "--older-than", "1")) == []
    assert len(machine.kept()) == 4


def test_a_running_server_keeps_all_that_it_was_started_from(
    machine: Machine, cache: Cache, other: Path, empty_database: str
) -> None:
    """However long ago that was; when it has ended, it goes."""
    with Serving(other, empty_database, **machine.environ) as server:
        cache("list")
        age(machine)
        gone = cache("prune", "--older-than", "1")
        assert (gone["removed"], gone["carried"]) == ([], [])
        assert len(machine.kept()) == 4
        assert server.get("/_/health/ready")[0] == 200
    age(machine)
    assert kinds(cache("prune", "--older-than", "1")) == ["interpreters", "editions"]


def test_an_edition_that_comes_into_use_meanwhile_stays(machine: Machine, other: Path) -> None:
    """A start between the look and the removal is noticed; what a killed removal has left is swept away."""
    machine.start(other, "version")
    age(machine)
    found = scie_cache.carried(machine.home)
    interpreter, edition = found
    assert (interpreter.needed, edition.needed) == (True, False)
    machine.start(other, "version")
    assert scie_cache.remove(found) == []
    age(machine)
    assert scie_cache.remove(found) == [edition]
    (machine.home / "editions" / f"half{REMOVED}").mkdir()
    scie_cache.sweep(machine.home)
    assert not list((machine.home / "editions").iterdir())
