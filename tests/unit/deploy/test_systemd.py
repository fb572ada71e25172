"""The systemd unit and the NixOS module say the same limits, and a stop may take as long as draining."""

from __future__ import annotations

import re
from pathlib import Path

from server.config.settings import Process

UNIT = Path("deploy/systemd/flovyn-server.service")
MODULE = Path("nix/service-config.nix")

HOST_SPECIFIC = {"User", "Group", "ExecStart", "ExecReload", "Environment", "EnvironmentFile", "TimeoutStopSec"}
"""The settings of the unit that come from the options of the module."""


def unit() -> dict[str, list[str]]:
    """The words of every setting of [Service]; one that stands there twice has both."""
    section = UNIT.read_text().partition("[Service]\n")[2].partition("\n[")[0]
    settings: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Za-z]+)=(.*)$", section, re.MULTILINE):
        settings.setdefault(name, []).extend(value.split())
    return settings


def module() -> dict[str, list[str]]:
    """The same of the module's plain values."""
    found = re.findall(r"^  (\w+) = (.*);$", MODULE.read_text(), re.MULTILINE)
    return {name: value.replace('"', "").strip("[ ]").split() for name, value in found}


def test_the_module_has_the_units_limits() -> None:
    """The unit on NixOS has the same sandbox as on another distribution."""
    assert module() == {name: value for name, value in unit().items() if name not in HOST_SPECIFIC}


def test_a_stop_may_take_as_long_as_draining() -> None:
    """systemd kills only a server that takes longer to stop than it says it may."""
    assert int(unit()["TimeoutStopSec"][0]) >= Process().drain_timeout + 20


def test_the_user_is_the_one_that_sysusers_makes() -> None:
    """The unit and the sysusers file name one user."""
    lines = Path("deploy/systemd/flovyn-server.sysusers").read_text().splitlines()
    made = [line.split()[1] for line in lines if line.startswith("u ")]
    assert made == unit()["User"] == unit()["Group"]
