"""Platforms and Pythons that are not the host's: names, tags, markers, and which wheels are chosen and missed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.tags import parse_tag
from pip._vendor.packaging.utils import parse_wheel_filename

from editions.toolchain import target_wheelhouse
from editions.toolchain.fetch import FetchError, MissingWheelError, wheel_error
from editions.toolchain.needs import Wheel, edges
from editions.toolchain.probe_python import NEWEST, OLDEST
from editions.toolchain.target_wheelhouse import explain, fetch_available, for_target, wheels_target
from editions.toolchain.targets import Target

LINUX, ARM, MAC = Target("linux-x86_64", "3.11"), Target("linux-aarch64", "3.12"), Target("macos-arm64", "3.14")
MUSL = Target("linux-musl-aarch64", "3.13")
HASH = "\\\n    --hash=sha256:" + "0" * 64
from_bazel = pytest.mark.skipif("PLATFORMS" not in os.environ, reason="Bazel hands over what its rules know")


def fits(target: Target, tag: str) -> bool:
    compatible = target.environment()["compatible_tags"]
    assert isinstance(compatible, list)
    return not {str(each) for each in parse_tag(tag)}.isdisjoint(compatible)


def wheel(name: str, *requires: str) -> Wheel:
    return Wheel(name, "1", Path(f"{name}-1-py3-none-any.whl"), tuple(map(Requirement, requires)))


@from_bazel
def test_rules_and_programs_know_the_same_targets() -> None:
    """Every Python that the host may have can be built for, and every platform has markers and tags."""
    assert os.environ["PYTHONS"].split() == [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    machines = [Target(platform, "3.11").markers()["platform_machine"] for platform in os.environ["PLATFORMS"].split()]
    assert machines == ["x86_64", "aarch64", "x86_64", "aarch64", "arm64"]


@from_bazel
def test_modules_see_the_repositories_of_every_target() -> None:
    """MODULE.bazel must list by name what the extension declares in loops."""
    targets = [
        f"{platform}-py{python.replace('.', '')}".replace("-", "_")
        for platform in os.environ["PLATFORMS"].split()
        for python in os.environ["PYTHONS"].split()
    ]
    expected = {f"{kind}_{target}" for kind in ("interpreter", "wheels") for target in targets}
    used = set(re.findall(r'^    "(\w+)",$', Path("MODULE.bazel").read_text(), re.MULTILINE))
    npm = {"npm_axe_core", "npm_htm", "npm_preact", "npm_preact_signals", "npm_preact_signals_core"}
    assert used == expected | {"buildifier", "lint_wheels", "menu", "python", "wheels"} | npm


@from_bazel
def test_wrong_names_are_told_with_the_right_ones() -> None:
    """A platform or a Python that does not exist, or that is listed twice, is named."""
    assert os.environ["UNKNOWN_PLATFORM"] == (
        'unknown platform "plan9-mips"; known are linux-x86_64, linux-aarch64, linux-musl-x86_64, linux-musl-aarch64,'
        " macos-arm64"
    )
    assert os.environ["UNKNOWN_PYTHON"].startswith('unknown Python "3.10"; known are 3.11')
    assert os.environ["LISTED_TWICE"] == 'Python "3.12" is listed twice'


@from_bazel
def test_a_budget_is_one_number_or_one_per_platform() -> None:
    """A platform that is not named has none, and one that does not exist is told."""
    assert os.environ["BUDGETS"].split() == ["27", "29", "none", "none"]
    assert os.environ["UNKNOWN_BUDGET"].startswith('max_size_mb: unknown platform "plan9-mips"')


@from_bazel
def test_one_list_alone_means_all_of_the_other() -> None:
    """A list of Pythons alone means every platform."""
    assert os.environ["TARGETS_OF_ONE_PYTHON"] == os.environ["PLATFORMS"]


@pytest.mark.parametrize(
    ("target", "tag", "expected"),
    [
        (LINUX, "cp311-cp311-manylinux_2_28_x86_64", True),
        (LINUX, "cp310-abi3-manylinux2014_x86_64", True),
        (LINUX, "py3-none-any", True),
        (LINUX, "cp311-cp311-manylinux_2_34_x86_64", False),
        (LINUX, "cp311-cp311-manylinux_2_28_aarch64", False),
        (LINUX, "cp311-cp311-musllinux_1_2_x86_64", False),
        (MUSL, "cp313-cp313-musllinux_1_2_aarch64", True),
        (MUSL, "cp38-abi3-musllinux_1_1_aarch64", True),
        (MUSL, "cp313-cp313-musllinux_1_2_x86_64", False),
        (MUSL, "cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64", False),
        (ARM, "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64", True),
        (ARM, "cp311-cp311-manylinux_2_17_aarch64", False),
        (MAC, "cp314-cp314-macosx_11_0_arm64", True),
        (MAC, "cp314-cp314-macosx_10_15_universal2", True),
        (MAC, "cp314-cp314t-macosx_11_0_arm64", False),
        (MAC, "cp314-cp314-macosx_15_0_arm64", False),
        (MAC, "cp314-cp314-macosx_11_0_x86_64", False),
    ],
)
def test_only_wheels_that_run_there(target: Target, tag: str, expected: bool) -> None:  # noqa: FBT001 - a table
    """Another machine's, another Python's and a newer system's wheels do not fit."""
    assert fits(target, tag) is expected


def test_pip_and_pex_are_told_the_same() -> None:
    """The best wheel for pip, which takes platforms in our order, is the best one for pex."""
    options = MAC.pip_options()
    first = options[options.index("--platform") + 1]
    assert MAC.environment()["compatible_tags"][0] == f"cp314-cp314-{first}"  # type: ignore[index]
    assert options[-4:] == ["--python-version", "3.14", "--abi", "cp314"]


def test_markers_of_a_lock_are_asked_of_the_target() -> None:
    """An entry for another system is left out, and what is kept loses its marker, which pip would ask the host about."""
    entries = {
        "a": f"a==1 {HASH}",
        "b": f"b==2 ; sys_platform == 'darwin' and python_version >= '3.13' {HASH}",
        "c": f"c==3 ; platform_machine == 'aarch64' {HASH}",
    }
    assert for_target(entries, LINUX) == {"a": entries["a"]}
    assert for_target(entries, MAC) == {"a": entries["a"], "b": f"b==2 {HASH}"}
    assert for_target(entries, ARM) == {"a": entries["a"], "c": f"c==3 {HASH}"}


def test_the_needs_of_a_wheel_depend_on_the_target() -> None:
    """Markers of requirements are asked of the target, with its Python and its system."""
    wheels = {
        each.name: each
        for each in (
            wheel("a", "b; python_version < '3.12'", "c; platform_system == 'Darwin'", "d[fast]"),
            wheel("b"),
            wheel("c"),
            wheel("d", "e; extra == 'fast' and sys_platform == 'linux'"),
            wheel("e"),
        )
    }
    assert edges(wheels, {}, LINUX.markers())["a"] == {"b", "d"}
    assert edges(wheels, {}, MAC.markers())["a"] == {"c", "d"}
    assert edges(wheels, {}, ARM.markers())["d"] == {"e"}
    assert edges(wheels, {}, MAC.markers())["d"] == set()


def test_a_missing_wheel_is_still_needed() -> None:
    """A wheel that does not exist for the target stays an edge, so that editions that reach it can say so."""
    assert edges({"a": wheel("a", "b")}, {}, MAC.markers(), {"b"}) == {"a": {"b"}}


def test_all_that_is_missing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip stops at the first wheel that does not exist; the rest is asked for again."""

    def fetch(entries: dict[str, str], _pip: Path, _to: Path, options: list[str]) -> None:
        assert "macosx_14_0_arm64" in options
        for name in sorted(entries.keys() & {"b", "d"}):
            raise MissingWheelError(name, "")

    monkeypatch.setattr(target_wheelhouse, "fetch", fetch)
    entries = {name: f"{name}==1 {HASH}" for name in "abcd"}
    assert fetch_available(entries, tmp_path, tmp_path, MAC) == {"b": "b==1", "d": "d==1"}


def test_a_silent_registry_is_no_missing_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip blames the wheel in both cases; only an answer counts, and says in one line what is missing."""
    monkeypatch.delenv("FLOVYN_WHEELHOUSE", raising=False)
    blame = "ERROR: No matching distribution found for grpcio==1.85.1 (from -r whl.lock (line 1))"
    error = wheel_error(blame)
    assert isinstance(error, MissingWheelError)
    assert error.name == "grpcio"
    assert str(error) == "the registry has no wheel of grpcio==1.85.1 for this machine and its Python"
    silent = wheel_error(f"WARNING: Retrying (Retry(total=4)) after connection broken\n{blame}")
    assert type(silent) is FetchError


def test_a_missing_wheel_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel, its version and the target; a folder in the place of the registry is named, with what to do."""
    monkeypatch.delenv("FLOVYN_WHEELHOUSE", raising=False)
    assert explain("grpcio==1.85.1", MAC, "r") == "grpcio 1.85.1 has no wheel for macos-arm64, CPython 3.14"
    monkeypatch.setenv("FLOVYN_WHEELHOUSE", "/wheels")
    assert explain("grpcio==1.85.1", MAC, "r").endswith(
        "3.14, in /wheels (FLOVYN_WHEELHOUSE); put it there and run: ./bazelw sync --only=r"
    )


def test_build_file_names_wheels_needs_and_gaps() -> None:
    """The file that the rule reads: files with their pins, edges, and what is missing or of no use."""
    text = wheels_target(ARM, {"a": wheel("a")}, {"a": {"b"}, "b": set()}, {"b": "b is missing"}, {"c"})
    assert '"whl/a-1-py3-none-any.whl": "a==1"' in text
    assert 'needs = {"a": ["b"], "b": []}' in text
    assert 'missing = {"b": "b is missing"}' in text
    assert 'excluded = ["c"]' in text


def test_names_of_wheels_are_read_as_pip_reads_them() -> None:
    """A wheel's tags are what its file name says."""
    tags = parse_wheel_filename("a-1-cp310-abi3-manylinux2014_x86_64.whl")[3]
    assert {str(tag) for tag in tags} <= set(LINUX.environment()["compatible_tags"])  # type: ignore[call-overload]
