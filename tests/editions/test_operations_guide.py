"""The guide for operators, followed literally: every command in it works, in its order, with the built file."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.pex import SECRET, Serving, has_ended, pex

GUIDE = Path("docs/operations.md").absolute()
PORT = "8000"
DEADLINE_S = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


def _blocks() -> list[tuple[str, str]]:
    return re.findall(r"^```(sh[^\n]*)\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


class _Reader:
    """An operator who follows the guide, in a folder with the file, the next one, and a database."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.settings = {"WORKER_TOKEN_SECRET": SECRET, "PEX_ROOT": str(folder / "root")}
        self.environ = {**os.environ, **self.settings, "DATABASE_URL": database_url}
        self.server: Serving | None = None
        self.successors: set[int] = set()
        for name in ("full.pex", "full.pex.new"):
            shutil.copy(pex("FULL_PEX"), folder / name)
        if shutil.which("curl") is None:
            self._add_curl()

    def _add_curl(self) -> None:
        """Give the reader, on a machine that has no curl, what gets an address and fails as curl does."""
        tool = self.folder / "bin" / "curl"
        tool.parent.mkdir()
        tool.write_text(
            f"#!{sys.executable}\nimport sys, urllib.request as r\nprint(r.urlopen(sys.argv[-1]).read().decode())\n"
        )
        tool.chmod(0o755)
        self.environ["PATH"] = f"{tool.parent}{os.pathsep}{self.environ['PATH']}"

    def follow(self, kind: str, commands: str) -> None:
        """Do one block."""
        if kind == "sh server":
            assert commands == "./full.pex serve\n"
            self.server = Serving(self.folder / "full.pex", self.environ["DATABASE_URL"], **self.settings)
            self.server.__enter__()
            self.environ["PID"] = str(self.server.process.pid)
            return
        served, before = self._served(), self._children()
        if self.server is not None:
            commands = commands.replace(f":{PORT}/", f":{self.server.http_port}/")
        subprocess.run(
            ["/usr/bin/env", "bash", "-euo", "pipefail", "-c", commands], check=True, cwd=self.folder, env=self.environ
        )
        if self.server is not None and re.search("kill -(HUP|USR2)", commands):
            self.server.wait_for("is serving", served + 1)
            self.successors |= {pid for pid in self._children() - before if _is_supervisor(pid)}

    def _served(self) -> int:
        lines = self.server.log if self.server is not None else []
        return sum("is serving" in str(line.get("event")) for line in lines)

    def _children(self) -> set[int]:
        workflows = self.server is not None and self.server.process.poll() is None
        return set(self.server.workers()) if self.server is not None and workflows else set()

    def leave(self) -> None:
        """Stop what runs, the second server of the upgrade first: it writes into the first one's log."""
        for pid in self.successors:
            os.kill(pid, signal.SIGTERM)
            _until_gone(pid)
        if self.server is not None:
            self.server.__exit__(None, None, None)


def _is_supervisor(pid: int) -> bool:
    return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _until_gone(pid: int) -> None:
    """Wait for something that only the process table shows."""
    deadline = time.monotonic() + DEADLINE_S
    while not has_ended(pid):
        assert time.monotonic() < deadline, f"process {pid} does not end"
        time.sleep(0.05)


def test_every_command_of_the_guide_works(empty_database: str, tmp_path: Path) -> None:
    """From a file to a server that was reloaded and upgraded, and back to an empty cache."""
    reader = _Reader(tmp_path, empty_database)
    try:
        for kind, commands in _blocks():
            reader.follow(kind, commands)
    finally:
        reader.leave()
    assert reader.server is not None
    events = [str(line.get("event")) for line in reader.server.log]
    assert sum("is serving" in event for event in events) == 3  # the start, the reload, the upgrade
