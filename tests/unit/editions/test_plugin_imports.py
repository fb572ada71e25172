"""The imports of a plugin's modules are checked in their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from editions.tools.plugin_imports import faults


def _faults(tmp_path: Path, text: str) -> list[str]:
    """Check a module of the plugin audit_log, which has a second module, stubs, a library and the wheel falcon."""
    wheel = tmp_path / "wheel"
    (wheel / "falcon").mkdir(parents=True)
    module = tmp_path / "rest.py"
    module.write_text(text)
    others = (
        "plugins/audit_log/domain.py",
        "plugins/audit_log/audit_pb2.py",
        "core/auth/__init__.py",
        "shared/text.py",
    )
    sources = dict.fromkeys(others, tmp_path / "none")
    for place in others:
        sources[place].write_text("")
    return faults("plugins.audit_log", {**sources, "plugins/audit_log/rest.py": module}, [wheel])


@pytest.mark.parametrize(
    "text",
    [
        "import json, falcon.asgi",
        "from core.auth import Identity",
        "from plugins.audit_log import audit_pb2",
        "from . import domain\nfrom .domain import Event",
        "from shared.text import short\nfrom shared import text",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import httpx",
        "try:\n    import uvloop\nexcept ImportError:\n    uvloop = None",
        "this is no Python",
    ],
)
def test_imports_that_a_plugin_may_make(tmp_path: Path, text: str) -> None:
    """The standard library, core, its own modules, libraries and wheels that it declares, and what it can do without."""
    assert _faults(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "place", "rule", "cure"),
    [
        ("import server.engine", "1:1", "imports server.engine, which belongs to the server", "PluginServices"),
        ("def f():\n    from migrations import lint", "2:5", "imports migrations, which belongs to", "Plugin.setup"),
        ("from plugins import jwt", "1:1", "imports plugins.jwt, which is another plugin's", "`requires`"),
        ("from ..jwt import keys", "1:1", "imports plugins.jwt, which is another plugin's", "routes or RPCs"),
        ("import os, httpx", "1:1", "imports httpx, which the target does not declare", '"@wheels//:httpx"'),
    ],
)
def test_a_refused_import_is_told_with_the_rule_and_the_cure(
    tmp_path: Path, text: str, place: str, rule: str, cure: str
) -> None:
    """Each forbidden import is one line with its place, also inside of a function that is never called."""
    (line,) = _faults(tmp_path, text)
    assert line.startswith(f"{tmp_path}/rest.py:{place}: {rule}")
    assert cure in line
