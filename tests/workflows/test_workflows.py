"""The workflows are what GitHub accepts, and every name in them leads to something that exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from editions.tools.matrix import RUNNERS, Cell, repositorys, shown

FILES = sorted(Path(".github/workflows").glob("*.yml"))
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
LABEL = re.compile(r"(?<![\w.])//[\w./-]*(?::[\w.-]+)?")
ALL_TARGETS = ("//...", "//editions:all")


def read(file: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = YAML(typ="safe").load(file.read_text("utf-8"))
    return workflow


def scripts(workflow: dict[str, Any]) -> Iterator[str]:
    """The scripts of the jobs."""
    for job in workflow["jobs"].values():
        yield from (step["run"] for step in _steps(job) if "run" in step)


def _steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    """A job's steps; one that calls another workflow has none."""
    return list(job.get("steps", []))


def targets() -> set[str]:
    """The labels of the root package and of editions, as the build listed them."""
    found = set()
    for package, variable, built in (
        ("", "ROOT_NAMES", "bazel-bin/names.txt"),
        ("editions", "EDITION_NAMES", "bazel-bin/editions/names.txt"),
    ):
        names = Path(os.environ.get(variable, built)).read_text("utf-8").split()
        found |= {f"//{package}:{name}" for name in names}
    return found


@pytest.fixture(params=FILES, ids=lambda file: str(file.stem))
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each workflow."""
    return read(request.param)


def test_there_are_workflows() -> None:
    """The tests below look at these."""
    assert [file.name for file in FILES] == ["ci.yml", "nix.yml", "release.yml"]


def test_they_fit_githubs_schema() -> None:
    """As the schema of a well-kept checker has it, which is a part of its wheel."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *map(str, FILES)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_target_exists(workflow: dict[str, Any]) -> None:
    """Labels in commands are those of rules, or patterns for all of them."""
    named = {label for script in scripts(workflow) for label in LABEL.findall(re.sub(r"\w+://\S*", "", script))}
    assert named - {*ALL_TARGETS} <= targets()
    assert named or workflow["name"] == "nix"  # which lets Nix call Bazel


def test_every_cell_of_the_matrix_is_a_target() -> None:
    """The matrix and the build make the same names of the menu."""
    assert {cell.target for cell in repositorys(Path.cwd())} <= targets()


def test_every_script_exists(workflow: dict[str, Any]) -> None:
    """Each script that is called by path is in the repository."""
    for script in scripts(workflow):
        for path in re.findall(r"(?<![\w/])(?:\.ci/[\w./-]+|nix/[\w./-]+\.py)", script):
            assert Path(path).is_file(), path
        for module in re.findall(r"python3 -m (editions[\w.]*)", script):
            assert Path(module.replace(".", "/") + ".py").is_file(), module


def test_needs_and_outputs_fit(workflow: dict[str, Any]) -> None:
    """An output that is read is one of a job that is waited for, or of a step that comes before."""
    for name, job in workflow["jobs"].items():
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        assert set(needs) <= workflow["jobs"].keys()
        steps = {step["id"] for step in _steps(job) if "id" in step}
        text = json.dumps(job)
        for other, output in re.findall(r"needs\.(\w+)\.outputs\.(\w+)", text):
            assert other in needs, (name, other)
            assert output in workflow["jobs"][other]["outputs"], (name, other, output)
        assert set(re.findall(r"needs\.(\w+)\.", text)) <= set(needs)
        for step, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
            assert step in steps, (name, step)
            assert any(f'"{output}=' in each.get("run", "") for each in _steps(job) if each.get("id") == step)


def test_cells_have_what_is_read_of_them(workflow: dict[str, Any]) -> None:
    """Every ``matrix.x`` is a member of a cell, or of the job's own matrix."""
    for job in workflow["jobs"].values():
        named = set(re.findall(r"matrix\.(\w+)", " ".join(EXPRESSION.findall(json.dumps(job))))) - {"outputs", "result"}
        matrix = job.get("strategy", {}).get("matrix", {})
        own = {key for cell in matrix.get("include", [matrix]) for key in cell} if isinstance(matrix, dict) else set()
        assert named <= ({field.name for field in fields(Cell)} if "fromJSON" in matrix else own)


def test_one_cell_hides_no_other(workflow: dict[str, Any]) -> None:
    """Every matrix goes on when a cell fails."""
    matrices = [job["strategy"] for job in workflow["jobs"].values() if "strategy" in job]
    assert matrices
    assert all(strategy["fail-fast"] is False for strategy in matrices)


def test_actions_are_pinned_to_a_commit(workflow: dict[str, Any]) -> None:
    """Each action is named by its digest, which cannot be moved, with the version in a comment."""
    text = Path(".github/workflows", f"{workflow['name']}.yml").read_text("utf-8")
    used = [line.partition("uses: ")[2] for line in text.splitlines() if "uses: " in line]
    remote = [each for each in used if not each.startswith("./")]
    assert remote
    assert [each for each in remote if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


def test_one_action_has_one_version_everywhere() -> None:
    """An update that forgets a workflow shows."""
    versions: dict[str, set[str]] = {}
    for text in (file.read_text("utf-8") for file in FILES):
        for action, version in re.findall(r"uses: ([\w-]+/[\w-]+)@(.+)", text):
            versions.setdefault(action, set()).add(version)
    assert {action: found for action, found in versions.items() if len(found) > 1} == {}


def test_runners_are_those_of_the_table(workflow: dict[str, Any]) -> None:
    """GitHub withdraws machines; the table of the matrix is the one place to change."""
    machines = {each["runs-on"] for each in workflow["jobs"].values() if "runs-on" in each}
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        if isinstance(matrix, dict):
            machines |= {*matrix.get("runner", []), *(cell["machine"] for cell in matrix.get("include", []))}
    assert {each for each in machines if not EXPRESSION.search(each)} <= set(RUNNERS.values())


def test_jobs_get_no_more_rights_than_they_use(workflow: dict[str, Any]) -> None:
    """Reading is what all get; a checkout leaves no credentials behind for what runs after it."""
    assert workflow["permissions"] == {"contents": "read"}
    checkouts = [
        step for job in workflow["jobs"].values() for step in _steps(job) if "actions/checkout" in step.get("uses", "")
    ]
    assert checkouts
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_a_release_waits_for_all_of_ci_and_for_each_started_file() -> None:
    """Nothing gets a name or a place to be downloaded before that."""
    jobs = read(Path(".github/workflows/release.yml"))["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert {"ci", "start", "image"} <= set(jobs["publish"]["needs"])
    assert "edition" in jobs["start"]["needs"]
    assert [
        name
        for name, job in jobs.items()
        if "contents" in job.get("permissions", {}) and name not in ("image", "publish")
    ] == []


def test_no_untrusted_text_enters_a_script(workflow: dict[str, Any]) -> None:
    """Commands read variables; an expression inside of a script could be anything."""
    assert not [script for script in scripts(workflow) if EXPRESSION.search(script)]


def test_githubs_form_of_the_matrix_is_what_a_strategy_takes() -> None:
    """A list below ``include``, every member of which is a text."""
    document = json.loads(shown(repositorys(Path.cwd()), "github"))
    assert list(document) == ["include"]
    assert all(isinstance(value, str) for cell in document["include"] for value in cell.values())
