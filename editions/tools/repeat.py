"""Builds editions here and once more elsewhere, with all that must not matter changed, and compares every byte.

    python3 -m editions.tools.repeat //editions:full

The second build has another checkout directory, output base, user name, user id, home, umask, time zone, locale, hash
seed and PATH of its own, another interpreter of the same minor version where PATH has one, and with --other-bazel
another Bazel. Where libfaketime is installed, the clock of its actions is years behind.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from editions.tools.first_difference import first_difference

_ENV = ("/usr/bin/env",)
_CLOCK = "-4000d"
_FAKETIME = "usr/lib/*/faketime/libfaketime.so.1"
_USER = [*_ENV, "unshare", "--user", "--map-user=4321", "--map-group=4321"]
_ALL = ("--output_groups=+proof",)  # the edition, and what goes out beside it
_PROBE = "import os, pip, sys; print('%d.%d' % sys.version_info[:2], os.path.realpath(sys.executable))"


def outputs(events: Path) -> dict[str, Path]:
    """Return the files that the targets of a build gave, by name, from Bazel's file of events."""
    sets: dict[str, dict[str, list[dict[str, str]]]] = {}
    pending: list[str] = []
    for line in events.read_text("utf-8").splitlines():
        event = json.loads(line)
        if "namedSetOfFiles" in event:
            sets[event["id"]["namedSet"]["id"]] = event["namedSetOfFiles"]
        for group in event.get("completed", {}).get("outputGroup", []):
            pending += [each["id"] for each in group["fileSets"] if not group["name"].startswith("_")]
    found: dict[str, Path] = {}
    while pending:
        chosen = sets[pending.pop()]
        found.update({file["name"]: Path(unquote(urlsplit(file["uri"]).path)) for file in chosen.get("files", [])})
        pending += [each["id"] for each in chosen.get("fileSets", [])]
    return found


def build(folder: Path, targets: Sequence[str], scratch: Path, start: Sequence[str], **how: object) -> dict[str, Path]:
    """Build in ``folder`` and return the files that came out, by name.

    Raises:
        subprocess.CalledProcessError: a target does not build.
    """
    events = scratch / "events.json"
    command = [*start, "build", f"--build_event_json_file={events}", *_ALL, "--color=no", "--curses=no", *targets]
    subprocess.run(command, cwd=folder, check=True, **how)  # type: ignore[call-overload]
    return outputs(events)


def copy_checkout(to: Path) -> Path:
    """Copy what Git tracks, as it stands now, and nothing of Git."""
    listed = subprocess.run([*_ENV, "git", "ls-files", "-z"], check=True, capture_output=True).stdout
    for name in filter(os.path.isfile, listed.decode().split("\0")):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(name, target)
        shutil.copymode(name, target)
    return to


def collect_wheels(output_base: Path, to: Path) -> Path:
    """Link each wheel and npm package that the first build had into one folder, so that the second fetches nothing."""
    to.mkdir()
    for pattern in ("whl/*.whl", "pip/*.whl", "*.tgz"):
        for file in output_base.glob(f"external/*/{pattern}"):
            if not (to / file.name).exists():
                (to / file.name).symlink_to(file.resolve())
    return to


def other_python(used: Path) -> Path | None:
    """Return another CPython of the used one's minor version, with pip, from PATH."""
    wanted = _asked(used)
    assert wanted is not None
    for folder in os.get_exec_path():
        for name in (f"python{wanted[0]}", "python3"):
            found = _asked(Path(folder, name))
            if found and found[0] == wanted[0] and found[1] != wanted[1]:
                return Path(found[1])
    return None


def _asked(python: Path) -> tuple[str, str] | None:
    """An interpreter's minor version and real path; None when there is none, or none with pip."""
    if not python.is_file():
        return None
    done = subprocess.run([python, "-sE", "-c", _PROBE], capture_output=True, text=True, check=False)
    version, _, path = done.stdout.strip().partition(" ")
    return (version, path) if done.returncode == 0 else None


def otherwise(scratch: Path, wheels: Path, python: Path | None, bazel: str | None) -> dict[str, str]:
    """Return the environment of the second build."""
    (scratch / "home").mkdir()
    changed = {
        "FLOVYN_WHEELHOUSE": str(wheels),
        "HOME": str(scratch / "home"),
        "LC_ALL": "C",
        "LOGNAME": "somebody",
        "PYTHONHASHSEED": "4321",
        "TZ": "Pacific/Kiritimati",
        "USER": "somebody",
    }
    chosen = {"FLOVYN_PYTHON": python and str(python), "BAZEL": bazel}
    return {**os.environ, **changed, **{name: value for name, value in chosen.items() if value}}


def as_other_user(scratch: Path) -> list[str]:
    """Return the prefix of a command that starts it under another user id, where the kernel allows it."""
    try:
        subprocess.run([*_USER, "true"], cwd=scratch, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return _USER


def other_clock() -> list[str]:
    """Return Bazel's options for actions on a day long past; none where libfaketime is not installed."""
    found = sorted(Path("/").glob(_FAKETIME))
    return [f"--action_env=LD_PRELOAD={found[0]}", f"--action_env=FAKETIME={_CLOCK}"] if found else []


def differences(ours: Mapping[str, Path], theirs: Mapping[str, Path]) -> Iterator[str]:
    """Yield one message per file that is missing on one side or differs."""
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            yield f"{name} came out of one build only"
        elif found := first_difference(ours[name], theirs[name]):
            yield f"{name} differs: {found}"


def repeat(targets: Sequence[str], bazel: str | None, scratch: Path) -> list[str]:
    """Build twice and return what differs."""
    ours = build(Path.cwd(), targets, scratch, ["./bazelw"])
    told = subprocess.run(["./bazelw", "info", "output_base"], check=True, capture_output=True, text=True).stdout
    output_base = Path(told.strip())
    python = other_python(output_base / "external/python/bin/python3")
    user = as_other_user(scratch)
    clock = other_clock()
    said = ["another user id" if user else "the same user id", str(python or "the same interpreter")]
    print("again:", ", ".join([*said, "another clock" if clock else "the same clock"]), flush=True)
    theirs = build(
        copy_checkout(scratch / "somewhere/else"),
        [*clock, *targets],
        scratch,
        [*user, "./bazelw", "--batch", f"--output_base={scratch}/base"],
        env=otherwise(scratch, collect_wheels(output_base, scratch / "wheels"), python, bazel),
        umask=0o077,
    )
    for name, path in sorted(theirs.items()):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}")
    return list(differences(ours, theirs))


def main(arguments: list[str]) -> int:
    """Run from the command line, in the root of a checkout; 1 when a file differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other-bazel", help="the Bazel of the second build")
    parser.add_argument("target", nargs="*", default=["//editions:full"])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".ci-scratch.") as scratch:
        try:
            found = repeat(options.target, options.other_bazel, Path(scratch))
        finally:
            subprocess.run([*_ENV, "chmod", "-R", "u+w", scratch], check=False)
    print("\n".join(found) or "equal")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
