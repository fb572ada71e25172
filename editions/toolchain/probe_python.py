"""Prints the real executable behind this interpreter, its version and platform, or why the build cannot use it.

A shim or a virtual environment starts this; wheels, editions and tests need the CPython underneath.
"""

import os
import platform
import sys

OLDEST, NEWEST = (3, 11), (3, 14)


def platform_name() -> str:
    """Return this machine's platform as editions name it, such as ``linux-x86_64``."""
    if sys.platform == "darwin":
        return f"macos-{platform.machine()}"
    musl = "-musl" if sys.platform == "linux" and not is_glibc() else ""
    return f"{sys.platform}{musl}-{platform.machine()}"


def is_glibc() -> bool:
    """Return whether the C library is GNU's; musl knows no such name."""
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        return False


def main() -> int:
    """Print three lines, the path, ``3.N`` and the platform; or one line with the reason and return 1."""
    version = sys.version_info[:2]
    if platform.python_implementation() != "CPython" or not OLDEST <= version <= NEWEST:
        print(f"is {platform.python_implementation()} {platform.python_version()}, not CPython 3.11 to 3.14")
        return 1
    print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    print(f"{version[0]}.{version[1]}")
    print(platform_name())
    return 0


if __name__ == "__main__":
    sys.exit(main())
