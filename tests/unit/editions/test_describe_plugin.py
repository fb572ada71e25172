"""The build asks a plugin what it declares, and outlives whatever the plugin does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PLUGIN = """\
import contextlib, sys, time
from core.plugin import Plugin


class Odd(Plugin):
    name = "odd"
    version = "1"

    def authenticator_names(self):
{body}
        return []

    def setup(self, services):
        services.exclusively("work")
"""


def _described(tmp_path: Path, body: str) -> tuple[int, str, bool]:
    """Run the tool, with little patience, on a plugin whose hook has this body: its status, its message, its file."""
    (tmp_path / "odd.py").write_text(_PLUGIN.format(body="\n".join(f"        {line}" for line in body.splitlines())))
    out = tmp_path / "out.json"
    program = "from core import plugin; plugin.HOOK_TIMEOUT_S = 0.2; from editions.tools.describe_plugin import main"
    arguments = ["--entry=odd:Odd", "--label=//odd", f"--source=odd.py={tmp_path}/odd.py", f"--out={out}"]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}; sys.exit(main(sys.argv[1:]))", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return done.returncode, done.stderr, out.exists()


def test_a_declaring_hook_may_make_what_it_uses_later(tmp_path: Path) -> None:
    """A lock that is only made is no use of the server."""
    assert _described(tmp_path, "pass") == (0, "", True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ZeroDivisionError('division')", "ZeroDivisionError: division"),
        ("return 'abc'", "returned str"),
        ("while True:\n    with contextlib.suppress(BaseException):\n        time.sleep(60)", "did not return within"),
    ],
)
def test_a_hook_that_misbehaves_ends_the_build_with_its_name(tmp_path: Path, body: str, reason: str) -> None:
    """Also when it ends the program, or never returns and catches everything."""
    status, message, written = _described(tmp_path, body)
    assert (status, written) == (1, False)
    assert "plugin 'odd': authenticator_names " in message
    assert reason in message


_SETTINGS = """\
from __future__ import annotations

from pydantic import BaseModel

from core.plugin import ConfigSection, Plugin


class Settings(BaseModel):
    limit: {annotation} = 3


class Odd(Plugin):
    name = "odd"
    version = "1"

    def config(self):
        return ConfigSection(Settings)
"""


@pytest.mark.parametrize(("annotation", "status"), [("int", 0), ("itn", 1), ("list[Nothing]", 1)])
def test_a_wrong_annotation_of_the_settings_ends_the_build(tmp_path: Path, annotation: str, status: int) -> None:
    """The model is built, so that a command does not find at run time that it cannot be."""
    (tmp_path / "odd.py").write_text(_SETTINGS.format(annotation=annotation))
    out = tmp_path / "out.json"
    arguments = ["--entry=odd:Odd", "--label=//odd", f"--source=odd.py={tmp_path}/odd.py", f"--out={out}"]
    done = subprocess.run(
        [sys.executable, "-m", "editions.tools.describe_plugin", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, out.exists()) == (status, status == 0), done.stderr
    assert status == 0 or "plugin 'odd': config failed" in done.stderr
    assert "Traceback" not in done.stderr
