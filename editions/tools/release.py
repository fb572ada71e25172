"""Makes a release: versions of server and Helm chart, the changelog's section, the commit and the tag move together.

./bazelw run //:release -- 1.2.0
./bazelw run //:release -- sign --key release.pem bazel-bin/editions/full.pex

Everything that could be wrong is looked at before anything is written. The second form signs what lies beside built
editions (``editions/tools/sign.py``).
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

from editions.tools import sign, workspace

VERSION, CHANGELOG = Path("VERSION"), Path("CHANGELOG.md")
CHART = Path("deploy/helm/flovyn-server/Chart.yaml")
UNRELEASED = "## [Unreleased]"

_NUMBER = r"(?:0|[1-9]\d*)"
_PART = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"(?P<core>{_NUMBER}\.{_NUMBER}\.{_NUMBER})(?:-(?P<pre>{_PART}(?:\.{_PART})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_SECTION = re.compile(r"^## ", re.MULTILINE)
Order = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


class ReleaseRefused(ValueError):
    """The release cannot be made; nothing was changed."""


def order(version: str) -> Order:
    """Return the sort key of a version, as Semantic Versioning 2.0 defines it.

    Raises:
        ReleaseRefused: it is no such version.
    """
    match = _SEMVER.fullmatch(version)
    if match is None:
        raise ReleaseRefused(f"{version!r} is no version: write MAJOR.MINOR.PATCH, as Semantic Versioning has it")
    parts = match["pre"].split(".") if match["pre"] else []
    pre = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return tuple(map(int, match["core"].split("."))), not parts, pre


def released(changelog: str, version: str, date: str) -> tuple[str, str]:
    """Return the changelog with the unreleased section made the version's, and what that section says.

    Raises:
        ReleaseRefused: there is no such section, or nothing in it.
    """
    before, heading, rest = changelog.partition(f"\n{UNRELEASED}\n")
    if not heading:
        raise ReleaseRefused(f"{CHANGELOG} has no section {UNRELEASED!r}; say there what is new")
    start = _SECTION.search(rest)
    said, older = (rest[: start.start()], rest[start.start() :]) if start else (rest, "")
    if not re.search(r"^[^#\s]", said, re.MULTILINE):
        raise ReleaseRefused(f"{CHANGELOG} says nothing below {UNRELEASED!r}; say there what is new")
    section = f"## [{version}] - {date}\n\n{said.strip()}\n"
    return f"{before}\n{UNRELEASED}\n\n{section}" + (f"\n{older}" if older else ""), said.strip()


def git(root: Path, *arguments: str) -> str:
    """Run git and return what it prints.

    Raises:
        ReleaseRefused: git says no; its reason is in the message.
    """
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    if done.returncode:
        raise ReleaseRefused(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def prepare(root: Path, version: str, date: str) -> tuple[str, str]:
    """Look at everything and return the new changelog, and what it says of the version.

    Raises:
        ReleaseRefused: says why.
    """
    now = (root / VERSION).read_text("utf-8").strip()
    if order(version) <= order(now):
        raise ReleaseRefused(f"{version} is not greater than {now}, which {VERSION} has")
    if git(root, "tag", "--list", f"v{version}").strip():
        raise ReleaseRefused(f"there is a tag v{version} already")
    changed = git(root, "status", "--porcelain").splitlines()
    if changed:
        raise ReleaseRefused(f"there are changes that are not committed: {', '.join(line[3:] for line in changed[:5])}")
    return released((root / CHANGELOG).read_text("utf-8"), version, date)


def release(root: Path, version: str, changelog: str, said: str) -> None:
    """Write, commit and tag; when git refuses, everything is as it was.

    Raises:
        ReleaseRefused: git said no.
    """
    head = git(root, "rev-parse", "HEAD").strip()
    try:
        (root / VERSION).write_text(f"{version}\n", encoding="utf-8")
        (root / CHANGELOG).write_text(changelog, encoding="utf-8")
        chart = re.sub(r"(?m)^appVersion: .*$", f'appVersion: "{version}"', (root / CHART).read_text("utf-8"))
        (root / CHART).write_text(chart, encoding="utf-8")
        git(root, "add", str(VERSION), str(CHANGELOG), str(CHART))
        git(root, "commit", "--quiet", "--message", f"Release {version}")
        git(
            root,
            "tag",
            "--annotate",
            f"v{version}",
            "--cleanup=verbatim",
            "--message",
            f"Release {version}\n\n{said}\n",
        )
    except ReleaseRefused:
        git(root, "reset", "--quiet", "--hard", head)
        raise


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //:release``; 1 and the reason when nothing is released."""
    if arguments[:1] == ["sign"]:
        return sign.main(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="./bazelw run //:release --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", help="such as 1.2.0 or 2.0.0-rc.1")
    parser.add_argument("--date", type=dt.date.fromisoformat, help="of the release (default: today, in UTC)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    options = parser.parse_args(arguments)
    root = workspace.root()
    date = options.date or dt.datetime.now(dt.UTC).date()
    try:
        changelog, said = prepare(root, options.version, date.isoformat())
        if not options.dry_run:
            release(root, options.version, changelog, said)
    except (OSError, ReleaseRefused) as error:
        return workspace.told(error)
    print(f"{'would release' if options.dry_run else 'released'} {options.version}, {date}:\n\n{said}\n")
    print(f"next: git push --atomic origin HEAD v{options.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
