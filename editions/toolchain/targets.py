"""The platforms by name: the tags of their wheels, and the values of environment markers there.

An edition for another machine is resolved for that machine: nothing here asks the host. Floors are the oldest systems
that the files still run on, so that wheels for them and for older ones are taken: the GNU C library 2.28 (Debian 10,
RHEL 8), musl 1.2 (Alpine 3.13) and macOS 14.
"""

from __future__ import annotations

from dataclasses import dataclass

from pip._vendor.packaging import tags

_GLIBC = 28
_OLDEST_GLIBC = 17
_MUSL = 2
_MACOS = (14, 0)


@dataclass(frozen=True, slots=True)
class Target:
    """A platform and a Python: names as editions.json has them, such as ``linux-aarch64`` and ``3.12``."""

    platform: str
    python: str

    @property
    def minor(self) -> int:
        """The minor version of Python."""
        return int(self.python.partition(".")[2])

    @property
    def machine(self) -> str:
        """The machine as ``platform.machine()`` names it."""
        return self.platform.rpartition("-")[2]

    @property
    def is_macos(self) -> bool:
        """Whether the platform is macOS; otherwise it is Linux."""
        return self.platform.startswith("macos-")

    @property
    def is_musl(self) -> bool:
        """Whether the C library is musl, as on Alpine; otherwise Linux has the GNU C library."""
        return self.platform.startswith("linux-musl-")

    def platform_tags(self) -> list[str]:
        """Return the tags of platforms whose wheels run there, newest first."""
        if self.is_macos:
            return list(tags.mac_platforms(_MACOS, self.machine))
        if self.is_musl:
            return [f"musllinux_1_{minor}_{self.machine}" for minor in range(_MUSL, -1, -1)]
        newer = [f"manylinux_2_{minor}_{self.machine}" for minor in range(_GLIBC, _OLDEST_GLIBC - 1, -1)]
        return [*newer, f"manylinux2014_{self.machine}"]

    def pip_options(self) -> list[str]:
        """Return the options that make ``pip download`` choose wheels for the target."""
        platforms = [word for tag in self.platform_tags() for word in ("--platform", tag)]
        return [*platforms, "--implementation", "cp", "--python-version", self.python, "--abi", f"cp3{self.minor}"]

    def markers(self) -> dict[str, str]:
        """Return the values of environment markers; of unknown patch versions and kernels, the oldest and none."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Darwin" if self.is_macos else "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "darwin" if self.is_macos else "linux",
        }

    def environment(self) -> dict[str, object]:
        """Return the target as pex takes it with ``--complete-platform``."""
        version, platforms = (3, self.minor), self.platform_tags()
        fitting = [
            *tags.cpython_tags(version, [f"cp3{self.minor}"], platforms),
            *tags.compatible_tags(version, f"cp3{self.minor}", platforms),
        ]
        return {"marker_environment": self.markers(), "compatible_tags": list(map(str, fitting))}
