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

from editions.tools.matrix import Cell, repositorys, shown

FILES = sorted(Path(".github/workflows").glob("*.yml"))
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
LABEL = re.compile(r"(?<![\w.])//[\w./-]*(?::[\w.-]+)?")
ALL_TARGETS = ("//...", "//editions:all")


def read(file: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = YAML(typ="safe").load(file.read_text("utf-8"))
    return workflow


def scripts(workflow: dict[str, Any]) -> Iterator[str]:
    """What the jobs run."""
    for job in workflow["jobs"].values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


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
    """What is called by path is in the repository."""
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
        steps = {step["id"] for step in job["steps"] if "id" in step}
        text = json.dumps(job)
        for other, output in re.findall(r"needs\.(\w+)\.outputs\.(\w+)", text):
            assert other in needs, (name, other)
            assert output in workflow["jobs"][other]["outputs"], (name, other, output)
        assert set(re.findall(r"needs\.(\w+)\.", text)) <= set(needs)
        for step, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
            assert step in steps, (name, step)
            assert any(f'"{output}=' in each.get("run", "") for each in job["steps"] if each.get("id") == step)


def test_cells_have_what_is_read_of_them(workflow: dict[str, Any]) -> None:
    """Every ``matrix.x`` is a member of a cell, or of the job's own matrix."""
    for job in workflow["jobs"].values():
        named = set(re.findall(r"matrix\.(\w+)", " ".join(EXPRESSION.findall(json.dumps(job))))) - {"outputs", "result"}
        matrix = job.get("strategy", {}).get("matrix", {})
        assert named <= ({field.name for field in fields(Cell)} if "fromJSON" in matrix else matrix.keys())


def test_one_cell_hides_no_other(workflow: dict[str, Any]) -> None:
    """Every matrix goes on when a cell fails."""
    matrices = [job["strategy"] for job in workflow["jobs"].values() if "strategy" in job]
    assert matrices
    assert all(strategy["fail-fast"] is False for strategy in matrices)


def test_actions_are_pinned_to_a_major_version(workflow: dict[str, Any]) -> None:
    """GitHub's own, and the one that installs Nix; never a branch."""
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"(actions/[\w-]+|cachix/install-nix-action)@v\d+", each) for each in used), used


def test_no_untrusted_text_enters_a_script(workflow: dict[str, Any]) -> None:
    """Commands read variables; an expression inside of a script could be anything."""
    assert not [script for script in scripts(workflow) if EXPRESSION.search(script)]


def test_githubs_form_of_the_matrix_is_what_a_strategy_takes() -> None:
    """A list below ``include``, every member of which is a text."""
    document = json.loads(shown(repositorys(Path.cwd()), "github"))
    assert list(document) == ["include"]
    assert all(isinstance(value, str) for cell in document["include"] for value in cell.values())
