"""Writes down what an edition's wheels are, and the digest of every member.

Of each wheel: licence, supplier, digest, size in the file, the software that it carries, and the wheels that it needs.
Each wheel must stand in the runtime lock with its digest: an edition contains nothing that is only good for building,
and nothing that the lock does not pin. Runs when the set of wheels changes, so that editing a source costs none of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from email.parser import HeaderParser
from email.utils import getaddresses
from pathlib import Path
from typing import Any

from editions.toolchain.lockfile import Lock, merge
from editions.tools import bundled, spdx

_CLASSIFIER = "License :: OSI Approved :: "
_LICENCE_FILES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")
_METADATA = re.compile(r"\.deps/[^/]+/[^/]+\.dist-info/METADATA")
_SHORT = 100
"""A longer text in the field License is the licence itself and not its name."""


class NotLocked(ValueError):
    """A wheel is not the one of the lock; the text names it and says what to do."""


def check_locked(wheels: Sequence[Mapping[str, Any]], lock: Mapping[str, str], source: str) -> None:
    """Return when the locks, ``lock`` as one set, pin every wheel; ``source`` names them.

    Raises:
        NotLocked: they do not.
    """
    missing = [wheel["name"] for wheel in wheels if wheel["name"] not in lock]
    if missing:
        raise NotLocked(
            f"not in {source}: wheel {', '.join(missing)}. Add what needs it to runtime.in, or to the plugin's own"
            " requirements, and lock again, or drop it"
        )
    for wheel in wheels:
        if f"sha256:{wheel['sha256']}" not in lock[wheel["name"]]:
            named = f"{wheel['name']} {wheel['version']}"
            raise NotLocked(f"not the one that {source} pins: wheel {named}. Lock again, or fetch it anew")


def licence(metadata: Message, texts: Sequence[str] = ()) -> str:
    """Return a wheel's licence: an SPDX expression, else its own words, else ``unknown``.

    Args:
        metadata: the wheel's.
        texts: the texts of its licences, which tell licences of one name apart.
    """
    expression: str | None = metadata["License-Expression"]
    words = (metadata["License"] or "").strip()
    if expression:
        return expression
    if words and words.upper() != "UNKNOWN" and len(words) <= _SHORT and "\n" not in words:
        return spdx.named(words, texts)
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith(_CLASSIFIER)]
    return spdx.all_of([spdx.named(each.removeprefix(_CLASSIFIER), texts) for each in classifiers]) or "unknown"


def supplier(metadata: Message) -> str:
    """Return the supplier of a wheel: maintainers or authors, by name or address; empty when it names none."""
    for field in ("Maintainer", "Author"):
        if metadata[field]:
            return str(metadata[field]).strip()
        named = [name or address for name, address in getaddresses(metadata.get_all(f"{field}-email") or [])]
        if named:
            return ", ".join(named)
    return ""


def licence_files(names: list[str], metadata: Message) -> list[str]:
    """Return the members that hold licences: those that the metadata names, or what is called like one."""
    named = metadata.get_all("License-File") or []
    places = tuple(f".dist-info/{folder}{each}" for each in named for folder in ("", "licenses/"))
    listed = [name for name in names if places and name.endswith(places)]
    beside = [name for name in names if ".dist-info/" in name and Path(name).name.upper().startswith(_LICENCE_FILES)]
    return sorted(listed or beside)


def wheel(archive: zipfile.ZipFile, file: Path, name: str, version: str) -> dict[str, Any]:
    """Return the facts of one wheel, as it lies in the PEX."""
    inside = [info for info in archive.infolist() if info.filename.startswith(f".deps/{file.name}/")]
    names = [info.filename for info in inside]
    metadata = next(filter(_METADATA.fullmatch, names))
    headers = HeaderParser().parsestr(archive.read(metadata).decode("utf-8"))
    texts = licence_files(names, headers)
    return {
        "name": name,
        "version": version,
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "license": licence(headers, [archive.read(each).decode("utf-8", "replace") for each in texts]),
        "license_files": texts,
        "supplier": supplier(headers),
        "size": sum(info.compress_size for info in inside),
    }


def boot(file: Path, name: str, version: str) -> dict[str, str]:
    """Return the facts of the wheel whose code an edition starts with; it is pinned with what builds editions."""
    with zipfile.ZipFile(file) as archive:
        metadata = next(each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        headers = HeaderParser().parsestr(archive.read(metadata).decode("utf-8"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {
        "name": name,
        "version": version,
        "file": file.name,
        "sha256": digest,
        "license": licence(headers),
        "supplier": supplier(headers),
    }


def plugin_locks(wheels: Sequence[Mapping[str, Any]], locks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return name and digest of each lock, after the server's, that alone pins one of the wheels."""
    known: set[str] = set()
    found = []
    for number, lock in enumerate(locks):
        own = lock["entries"].keys() - known
        known |= own
        if number and any(wheel["name"] in own for wheel in wheels):
            found.append({"name": lock["name"], "sha256": lock["sha256"]})
    return found


def describe(pex: Path, wheels: list[tuple[str, str, Path]], locks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the facts of all wheels, the digests of the members, and the plugins' locks that count.

    Raises:
        NotLocked: a wheel is not the locks'.
    """
    lock = merge(Lock(each["name"], each["entries"]) for each in locks)
    source = ", ".join(each["name"] for each in locks)
    with zipfile.ZipFile(pex) as archive:
        found = [wheel(archive, file, name, version) for name, version, file in wheels]
        check_locked(found, lock, source)
        members, inside = _read_members(archive)
    carried = {each["name"]: bundled.unique(inside.get(each["file"], [])) for each in found}
    return {"wheels": found, "members": members, "bundled": carried, "plugin_locks": plugin_locks(found, locks)}


def _read_members(archive: zipfile.ZipFile) -> tuple[dict[str, str], dict[str, list[bundled.Found]]]:
    """Return the digests of all members, and the software inside of each wheel by the wheel's file."""
    members: dict[str, str] = {}
    inside: dict[str, list[bundled.Found]] = {}
    for info in archive.infolist():
        if not info.is_dir():
            content = archive.read(info)
            members[info.filename] = hashlib.sha256(content).hexdigest()
            folder, _, rest = info.filename.partition("/")
            if folder == ".deps":
                inside.setdefault(rest.partition("/")[0], []).extend(_software(info.filename, content))
    return members, inside


def _software(member: str, content: bytes) -> Iterator[bundled.Found]:
    if bundled.is_document(member):
        yield from bundled.described(content)
    elif bundled.is_compiled(content):
        yield from bundled.recognized(member, content)


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when a wheel is not locked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True)
    for name in ("--pex", "--locks", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--wheel", nargs=3, action="append", default=[], metavar=("NAME", "VERSION", "FILE"))
    parser.add_argument(
        "--needs", nargs="+", action="append", default=[], metavar="NAME", help="a wheel, and those it needs"
    )
    parser.add_argument("--boot", nargs=3, required=True, metavar=("NAME", "VERSION", "FILE"))
    options = parser.parse_args(arguments)
    wheels = [(name, version, Path(file)) for name, version, file in options.wheel]
    try:
        found = describe(options.pex, wheels, json.loads(options.locks.read_bytes()))
    except NotLocked as error:
        print(f"{options.label}: {error}", file=sys.stderr)
        return 1
    found["needs"] = {name: others for name, *others in options.needs}
    name, version, file = options.boot
    found["boot"] = boot(Path(file), name, version)
    options.out.write_text(json.dumps(found, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
