"""The generated boot package."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from editions.tools.write_edition import boot_module, commit, main, refuse_clashes
from server.plugin_checks.contributions import RESERVED

AUDIT: dict[str, Any] = {
    "name": "audit-log",
    "version": "1.0.0",
    "entry": "plugins.audit_log.plugin:AuditLogPlugin",
    "plugin_api": ">=1.0,<2",
    "requires": [],
    "migrations": [],
    "objects": [],
    "contributions": {},
}
TOKEN: dict[str, Any] = {
    "name": "worker-token",
    "version": "2.0.0",
    "entry": "plugins.worker_token.plugin:WorkerTokenPlugin",
    "plugin_api": ">=1.0,<2",
    "requires": [],
    "migrations": [],
    "objects": [],
    "contributions": {},
}
CORE_FACTS = '{"name": "core", "rules": "7", "migrations": [], "objects": []}'
NOTHING: dict[str, Any] = {"objects": [], "contributions": {}}
STATUS = "STABLE_COMMIT abc\nSTABLE_COMMIT_DATE 2026-01-02T03:04:05Z\nSTABLE_DIRTY true\n"


def write(tmp_path: Path, *plugins: dict[str, Any], status: str | None = None) -> tuple[int, Path]:
    for name, text in {"VERSION": "1.2.3\n", "lock": "a==1\n", "core.json": CORE_FACTS, "names.json": "{}"}.items():
        (tmp_path / name).write_text(text)
    arguments = ["--edition=full", "--label=//editions:full", "--platform=linux-x86_64", "--python=3.11"]
    arguments.append(f"--version-file={tmp_path}/VERSION")
    arguments += [f"--lock={tmp_path}/lock", f"--core-facts={tmp_path}/core.json"]
    (tmp_path / "licence").write_text("MIT\n")
    arguments.append(f"--license-file={tmp_path}/licence")
    arguments += [f"--server-names={tmp_path}/names.json"]
    arguments += [f"--module={tmp_path}/__init__.py", f"--info={tmp_path}/edition.json"]
    for number, plugin in enumerate(plugins):
        for kind, content in (("plugin", plugin), ("contributions", plugin["contributions"])):
            path = tmp_path / f"{number}.{kind}.json"
            path.write_text(json.dumps(content))
            arguments.append(f"--{kind}={path}")
    if status is not None:
        (tmp_path / "status").write_text(status)
        arguments.append(f"--status={tmp_path}/status")
    return main(arguments), tmp_path


def test_boot_module_imports_inside_the_function() -> None:
    """Importing the boot module imports no plugin."""
    tree = ast.parse(boot_module("//editions:full", [AUDIT, TOKEN]))
    imported = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert imported == ["__future__", "typing"]
    assert "return [AuditLogPlugin(), WorkerTokenPlugin()]" in ast.unparse(tree)


def test_boot_module_without_plugins() -> None:
    """An edition without plugins returns an empty list."""
    assert "return []" in boot_module("//editions:minimal", [])


def test_two_classes_of_one_name() -> None:
    """Plugins whose classes have one name stay apart."""
    other = {**TOKEN, "entry": AUDIT["entry"].replace("audit_log", "worker_token")}
    text = boot_module("//editions:full", [AUDIT, other])
    assert "return [AuditLogPlugin_audit_log(), AuditLogPlugin_worker_token()]" in text


def test_plugins_are_sorted(tmp_path: Path) -> None:
    """The order of the list never shows."""
    status, folder = write(tmp_path, TOKEN, AUDIT)
    info = json.loads((folder / "edition.json").read_text())
    assert status == 0
    assert [plugin["name"] for plugin in info["plugins"]] == ["audit-log", "worker-token"]
    assert (info["version"], info["lint_rules"], info["license"]) == ("1.2.3", "7", "MIT")
    assert (info["platform"], info["python"]) == ("linux-x86_64", "3.11")
    assert "commit" not in info


def test_a_required_plugin_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The edition is refused with both plugins' names; with the required one in it, it is written."""
    needy = {**AUDIT, "requires": ["worker-token"]}
    assert write(tmp_path, needy)[0] == 1
    assert "plugin audit-log requires the plugin worker-token, which is not in the edition" in capsys.readouterr().err
    assert write(tmp_path, needy, TOKEN)[0] == 0


def test_stamp() -> None:
    """A stamped build names commit, date and whether the tree was changed."""
    assert commit(STATUS) == {"commit": "abc", "commit_date": "2026-01-02T03:04:05Z", "dirty": True}


def test_stamp_without_git(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A release of no known commit is refused with one line."""
    status, _ = write(tmp_path, status="BUILD_HOST here\n")
    assert status == 1
    assert "no git checkout" in capsys.readouterr().err


def test_two_plugins_that_claim_one_object_are_both_named() -> None:
    """An edition is checked as a set: the same table, index or type in two plugins stops it."""
    objects = [["table", "p_a__b"]]
    with pytest.raises(ValueError, match="table p_a__b is claimed by one and by two"):
        refuse_clashes(
            [{**NOTHING, "name": "two", "objects": objects}, {**NOTHING, "name": "one", "objects": objects}], RESERVED
        )


def test_two_plugins_that_claim_one_name_are_both_named() -> None:
    """The same alias in two plugins stops the edition, and so does a name that the server has."""
    alias = {"aliases": ["GET /api/tenants/{slug}/things/{id}"]}
    one = {**NOTHING, "name": "one", "contributions": {**alias, "authenticators": ["static_api_key"]}}
    with pytest.raises(ValueError, match="clash") as caught:
        refuse_clashes([one, {**NOTHING, "name": "two", "contributions": alias}], RESERVED)
    assert str(caught.value).splitlines()[1:] == [
        "  authenticator static_api_key is claimed by the server and by one",
        "  route GET /api/tenants/{slug}/things/{id} is claimed by one and by two",
    ]
