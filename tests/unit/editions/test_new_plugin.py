"""A new plugin is hello-world under another name, in every spelling."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from core.errors import PluginError
from editions.tools.new_plugin import FOLDER, files, renamed, write, write_repository
from editions.tools.outside_source import RepositorySource


def test_no_name_of_the_template_is_left() -> None:
    """Files, classes, tables, packages and settings carry the new name; what only the template has is gone."""
    made = files(FOLDER, "audit-trail")
    assert {Path("plugin.py"), Path("BUILD.bazel"), Path("tests/test_audit_trail.py")} <= made.keys()
    for path, text in made.items():
        assert "hello" not in f"{path}{text.replace('Hello, ', '')}".lower(), path
        assert "//plugins:new" not in text, path
        if path.suffix == ".py":
            ast.parse(text)
    assert "class AuditTrailPlugin(Plugin):" in made[Path("plugin.py")]
    assert "CREATE TABLE p_audit_trail__greetings (" in made[Path("migrations/0001_create_greetings.sql")]
    assert "package flovyn.plugins.audit_trail.v1;" in made[Path("greeting.proto")]
    assert "PLUGINS__AUDIT_TRAIL__VISITOR_KEY" in made[Path("BUILD.bazel")]
    assert "filegroup" not in made[Path("BUILD.bazel")]


@pytest.mark.parametrize("name", ["match", "case", "type", "none", "import-all", "str"])
def test_a_word_that_only_looks_like_pythons_own_is_a_name(name: str) -> None:
    """The files written for it parse."""
    for path, text in files(FOLDER, name).items():
        if path.suffix == ".py":
            ast.parse(text)


@pytest.mark.parametrize(
    ("name", "wanted"), [("my-plugin", "MyPlugin"), ("plugin", "PluginPlugin"), ("a1-b", "A1BPlugin")]
)
def test_the_class_is_named_after_the_plugin(name: str, wanted: str) -> None:
    """Without saying 'plugin' twice, and never like the class that it derives from."""
    assert renamed("HelloWorldPlugin(Plugin)", name) == f"{wanted}(Plugin)"


@pytest.mark.parametrize("name", ["My-Plugin", "a_b", "core", "-a", "../a", "", "a" * 25, "class", "import", "async"])
def test_a_name_that_no_plugin_can_have_writes_nothing(tmp_path: Path, name: str) -> None:
    """The grammar is the one of the migrations and of the server."""
    with pytest.raises(PluginError):
        write(tmp_path, FOLDER, name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """No existing file is overwritten."""
    write(tmp_path, FOLDER, "mine")
    (tmp_path / "plugins/mine/plugin.py").write_text("changed")
    with pytest.raises(PluginError, match="is there already"):
        write(tmp_path, FOLDER, "mine")
    assert (tmp_path / "plugins/mine/plugin.py").read_text() == "changed"


ARCHIVE = RepositorySource(
    "flovyn_server", url="https://example.org/server.zip", sha256="0" * 64, strip_prefix="flovyn-server-1.0.0"
)


def test_a_repository_of_its_own_needs_twelve_lines_and_no_checkout(tmp_path: Path) -> None:
    """Its WORKSPACE brings the server's archive by its digest; all labels of the server carry its name."""
    write_repository(tmp_path / "new", FOLDER, "audit-trail", ARCHIVE)
    made = {str(path.relative_to(tmp_path / "new")): path for path in (tmp_path / "new").rglob("*") if path.is_file()}
    workspace = made["WORKSPACE"].read_text()
    assert len([line for line in workspace.splitlines() if line]) <= 12
    assert 'sha256 = "' + "0" * 64 in workspace
    assert 'integrity = "sha256-AAAA' in made["MODULE.bazel"].read_text()
    build = made["audit_trail/BUILD.bazel"].read_text()
    assert 'entry = "audit_trail.plugin:AuditTrailPlugin"' in build
    assert re.findall(r"load\(\"(.*?)\"", build) == [
        "@flovyn_server//plugins:defs.bzl",
        "@flovyn_server//proto:defs.bzl",
    ]
    assert "package flovyn.plugins.audit_trail.v1;" in made["audit_trail/greeting.proto"].read_text()
    for name, path in made.items():
        if name.endswith(".py"):
            assert "from plugins." not in path.read_text(), name
            ast.parse(path.read_text())
        if name.startswith("audit_trail/"):
            assert "hello" not in path.read_text().replace("Hello, ", "").lower(), name
    assert os.access(made["bazelw"], os.X_OK)
    assert "command=tools/workspace_status.sh\n" in made["modules.bazelrc"].read_text()


@pytest.mark.parametrize("name", ["json", "server", "tests"])
def test_a_package_that_is_there_already_is_no_name_for_a_repository(tmp_path: Path, name: str) -> None:
    """In the root of a repository, the plugin's package stands beside those of Python and of the server."""
    with pytest.raises(PluginError, match="is taken; choose another name"):
        write_repository(tmp_path / "new", FOLDER, name, ARCHIVE)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_files_becomes_no_repository(tmp_path: Path) -> None:
    """Files of the folder are not overwritten."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(PluginError, match="is not empty"):
        write_repository(tmp_path, FOLDER, "audit-trail", ARCHIVE)
