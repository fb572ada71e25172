"""Reads from wheels' metadata which other locked wheels each one needs, on this interpreter and with these extras.

Editions pack what their libraries reach through these edges and nothing else.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
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


def edges(wheels: Mapping[str, Wheel], asked: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the wheels that each wheel needs directly; extras that requirements ask for count as well."""
    extras = {name: set(asked.get(name, ())) for name in wheels}
    needs: dict[str, set[str]] = {name: set() for name in wheels}
    pending = sorted(wheels)
    while pending:
        name = pending.pop()
        for requirement in wheels[name].requires:
            other = str(canonicalize_name(requirement.name))
            if other not in wheels or not _applies(requirement, extras[name]):
                continue
            if other != name:
                needs[name].add(other)
            if not requirement.extras <= extras[other]:
                extras[other] |= requirement.extras
                pending.append(other)
    return needs


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *sorted(extras)))
