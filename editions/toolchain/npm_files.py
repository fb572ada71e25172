"""Fetches an npm package and takes some of its files out of it, for browsers.

Runs in the repository rule of npm_files.bzl, with the repository's folder as working directory. A browser cannot import
``"preact"`` without a map, which would be a script inside of the page. So such names are replaced by paths.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

from editions.toolchain.fetch import FetchError
from editions.toolchain.lockfile import LockError
from editions.toolchain.npm import LEFT_BEHIND, package

FOLDER = Path("files")
FACTS = Path("package.json")

_LICENCE = re.compile(r"package/(LICEN[CS]E|COPYING|NOTICE)(\.[a-z]+)?", re.IGNORECASE)
_MAP = re.compile(rb"\n?//# sourceMappingURL=\S*\s*$")

_BUILD = """\
load("@flovyn_server//editions/private:npm.bzl", "npm_package")

npm_package(
    name = "{name}",
    srcs = glob(["files/*"]),
    facts = "package.json",
    visibility = ["//visibility:public"],
)
"""


def extract(archive: Path, files: dict[str, str], imports: dict[str, str]) -> dict[str, Any]:
    """Write files of the package, and its licences, into ``FOLDER``; return what the package says about itself.

    Args:
        archive: the package.
        files: the name to write by the path inside of the package.
        imports: the path to import by the name of a package, such as ``preact``.

    Raises:
        FetchError: the package has no such file, or no licence.
    """
    FOLDER.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar.getmembers() if member.isfile()}
        said = json.loads(_read(tar, members, "package/package.json"))
        for path, name in files.items():
            Path(FOLDER, name).write_bytes(with_paths(_read(tar, members, f"package/{path}"), imports))
        own = said["name"].removeprefix("@").replace("/", "-")
        licences = []
        for path in sorted(filter(_LICENCE.fullmatch, members)):
            licences.append(f"{own}.{Path(path).stem}.txt")
            Path(FOLDER, licences[-1]).write_bytes(_read(tar, members, path))
    if not licences or not said.get("license"):
        raise FetchError(f"{said['name']} states no licence, or brings no text of it; an edition must not contain it")
    return {
        "name": said["name"],
        "version": said["version"],
        "license": said["license"],
        "license_files": licences,
        "files": sorted(files.values()),
    }


def with_paths(content: bytes, imports: dict[str, str]) -> bytes:
    """Return a module with paths in place of the names of packages, and without the address of its source map."""
    content = _MAP.sub(b"\n", content)
    for name, path in imports.items():
        pattern = rf"""(\bfrom|\bimport)(\s*)(["']){re.escape(name)}\3""".encode()
        content = re.sub(pattern, rf"\1\2\g<3>{path}\3".encode(), content)
    return content


def _read(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> bytes:
    file = tar.extractfile(members[name]) if name in members else None
    if file is None:
        raise FetchError(f"the package has no file {name.removeprefix('package/')}")
    return file.read()


def main() -> int:
    """Run from the command line; 1 and one message when the package cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--name", "--package", "--version", "--integrity", "--files", "--imports"):
        parser.add_argument(name, required=True)
    for name in ("--lock", "--pip-lock"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args()
    try:
        archive = package(options.package, options.version, options.integrity, options.lock, options.pip_lock)
        facts = extract(archive, json.loads(options.files), json.loads(options.imports))
    except (FetchError, LockError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    FACTS.write_text(json.dumps({**facts, "integrity": options.integrity}, sort_keys=True, indent=1) + "\n", "utf-8")
    Path("BUILD.bazel").write_text(_BUILD.format(name=options.name), "utf-8")
    for folder in LEFT_BEHIND:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
