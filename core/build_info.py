"""Facts about an edition: name, version, plugins and origin. The build makes the value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin of the edition."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """Identity of an edition.

    Attributes:
        edition: name of the edition's target, such as ``full``.
        version: version of the server.
        python: CPython that the file runs on, such as ``3.11``.
        lock: SHA-256 of the lock that pins every wheel.
        plugins: the plugins, sorted by name.
        platform: what the file runs on, such as ``linux-x86_64``; None in tests, which build no edition.
        commit: Git commit; only in stamped builds, as are the next two.
        dirty: whether the checkout had changes that were not committed.
        commit_date: the commit's date, ISO 8601.
    """

    edition: str
    version: str
    python: str
    lock: str
    plugins: tuple[PluginInfo, ...] = ()
    platform: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    commit_date: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form, without the stamp where the build was not stamped."""
        return {key: value for key, value in asdict(self).items() if value is not None}
