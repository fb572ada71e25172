"""A new plugin is hello-world under another name, in every spelling."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from core.errors import PluginError
from editions.tools.new_plugin import FOLDER, files, renamed, write


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
