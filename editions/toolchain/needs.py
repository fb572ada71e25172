"""Reads from wheels' metadata which other locked wheels each one needs, with these extras and on that machine.

Editions pack what their libraries reach through these edges and nothing else.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename


@dataclass(frozen=True, slots=True)
class Wheel:
    """One downloaded wheel: its canonical name, version, file and requirements."""

    name: str
    version: str
    file: Path
    requires: tuple[Requirement, ...]

    @classmethod
    def read(cls, file: Path) -> Wheel:
        """Read a wheel's name from its file and its requirements from its metadata."""
        name, version, _, _ = parse_wheel_filename(file.name)
        with zipfile.ZipFile(file) as archive:
            metadata = next(n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
            headers = HeaderParser().parsestr(archive.read(metadata).decode("utf-8"))
        requires = tuple(Requirement(line) for line in headers.get_all("Requires-Dist") or [])
        return cls(str(name), str(version), file, requires)


def edges(
    wheels: Mapping[str, Wheel],
    asked: Mapping[str, set[str]],
    markers: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> dict[str, set[str]]:
    """Return the wheels that each wheel needs directly; extras that requirements ask for count as well.

    Args:
        wheels: the wheels by name.
        asked: the extras that are asked for, by wheel.
        markers: values of environment markers; None for those of this interpreter.
        missing: names of wheels that are needed like others, but are not at hand.
    """
    extras = {name: set(asked.get(name, ())) for name in (*wheels, *missing)}
    needs: dict[str, set[str]] = {name: set() for name in wheels}
    pending = sorted(wheels)
    while pending:
        name = pending.pop()
        for requirement in wheels[name].requires:
            other = str(canonicalize_name(requirement.name))
            if other not in extras or not _applies(requirement, extras[name], markers or {}):
                continue
            if other != name:
                needs[name].add(other)
            if not requirement.extras <= extras[other]:
                extras[other] |= requirement.extras
                pending += [other] if other in wheels else []
    return needs


def _applies(requirement: Requirement, extras: set[str], markers: Mapping[str, str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**markers, "extra": extra}) for extra in ("", *sorted(extras)))
