"""Finds the software that a wheel carries inside: libraries in C, crates of Rust, whole programs.

Two sources tell of it. A wheel may bring documents of CycloneDX in ``.dist-info/sboms`` (PEP 770). And many libraries
contain their own name and version as text, which is read from the compiled files. A vendored library of which neither
tells remains visible as a file with a digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""The first bytes of compiled files on Linux and on macOS."""

_VENDORED = re.compile(r"\.(?:lib|dylib)s/[^/]+$")
"""Copies of the system's libraries, as the tools that repair wheels place them."""

_DOCUMENT = re.compile(r"\.dist-info/sboms/[^/]+\.json$")


@dataclass(frozen=True, slots=True)
class KnownLibrary:
    """A library that tells its version.

    Attributes:
        name: its name, as in package URLs.
        text: a text that compiled files with the library contain.
        version: the pattern of that text, with the version as its group.
        cpe: vendor and product, by which scanners find vulnerabilities; empty when there are none.
        license: an SPDX id; empty when the licence has none.
    """

    name: str
    text: bytes
    version: re.Pattern[bytes]
    cpe: str = ""
    license: str = ""


KNOWN = (
    KnownLibrary(
        "openssl",
        b"OpenSSL ",
        re.compile(rb"OpenSSL (\d+\.\d+\.\d+[a-z]?) +\d+ [A-Z][a-z]{2} \d{4}"),
        "openssl:openssl",
        "Apache-2.0",
    ),
    KnownLibrary("krb5", b"KRB5_BRAND: krb5-", re.compile(rb"KRB5_BRAND: krb5-(\d+(?:\.\d+)+)"), "mit:kerberos_5"),
    KnownLibrary(
        "postgresql",
        b"PostgreSQL ",
        re.compile(rb"PostgreSQL (\d+\.\d+) on "),
        "postgresql:postgresql",
        "PostgreSQL",
    ),
    KnownLibrary("zlib", b"flate ", re.compile(rb" (?:in|de)flate (\d+(?:\.\d+)+) Copyright"), "zlib:zlib", "Zlib"),
    KnownLibrary("expat", b"expat_", re.compile(rb"expat_(\d+\.\d+\.\d+)"), "libexpat_project:libexpat", "MIT"),
    KnownLibrary(
        "bzip2", b"bzip2", re.compile(rb"\x00(1\.\d+\.\d+), \d+-[A-Z][a-z]{2}-\d{4}"), "bzip:bzip2", "bzip2-1.0.6"
    ),
    KnownLibrary("abseil-cpp", b"lts_20", re.compile(rb"lts_(20\d{6})"), license="Apache-2.0"),
)

_LIBPQ = re.compile(r"/libpq(?:-[0-9a-f]+)?\.(?:so\.)?5\.(\d+)(?:\.dylib)?$")
"""The last number of libpq's file name is PostgreSQL's major version."""

_X86 = re.compile(rb"\xb8(..[\x01-\x04]\x00)\xc3", re.DOTALL)
_ARM = re.compile(rb"(..[\x80-\x9f]\x52)([\x20-\x9f]\x00\xa0\x72)\xc0\x03\x5f\xd6", re.DOTALL)
"""Functions that return a constant, as `PQlibVersion` does: libpq tells its whole version in no other way."""

Found = dict[str, Any]
"""A component: ``name``, and where known ``version``, ``purl``, ``cpe``, ``license`` and ``sha256``."""


def is_document(member: str) -> bool:
    """Return whether a wheel's member is a document that tells what the wheel carries."""
    return _DOCUMENT.search(member) is not None


def is_compiled(content: bytes) -> bool:
    """Return whether the content is that of a program or a library."""
    return content.startswith(_MAGIC)


def described(content: bytes) -> Iterator[Found]:
    """Yield what a document of CycloneDX lists, without the wheel itself and what was used to build it alone."""
    try:
        document = json.loads(content)
        components = document.get("components", ()) if document.get("bomFormat") == "CycloneDX" else ()
    except (ValueError, AttributeError):
        return
    for each in components:
        purl = _plain(each.get("purl", ""))
        if not purl or not each.get("version") or each.get("scope") == "excluded" or purl.startswith("pkg:pypi/"):
            continue
        found = {
            "name": each["name"],
            "version": each["version"],
            "purl": purl,
            **_known(each["name"], each["version"]),
        }
        yield {**found, **_stated(each)}


def recognized(member: str, content: bytes) -> Iterator[Found]:
    """Yield the libraries that a compiled file tells of, and the file itself when it is a vendored library."""
    for library in KNOWN:
        found = library.version.findall(content) if library.text in content else []
        for version in sorted({each.decode() for each in found}):
            yield component(library.name, version)
    libpq = _LIBPQ.search(member)
    if libpq:
        version = libpq_version(content, int(libpq[1]))
        yield {**component("postgresql", version), "name": "libpq", "purl": f"pkg:generic/libpq@{version}"}
    if _VENDORED.search(member):
        yield {"name": PurePosixPath(member).name, "sha256": hashlib.sha256(content).hexdigest()}


def libpq_version(content: bytes, major: int) -> str:
    """Return the version of a libpq, such as ``18.6``; ``major`` alone where the code does not tell more."""
    returned = {int.from_bytes(each, "little") for each in _X86.findall(content)}
    returned |= {_arm_immediate(high) << 16 | _arm_immediate(low) for low, high in _ARM.findall(content)}
    minors = [number % 10_000 for number in returned if number // 10_000 == major]
    return f"{major}.{minors[0]}" if len(minors) == 1 else str(major)


def _arm_immediate(instruction: bytes) -> int:
    return int.from_bytes(instruction, "little") >> 5 & 0xFFFF


def component(name: str, version: str) -> Found:
    """Return the component of a library that has no package of its own."""
    return {"name": name, "version": version, "purl": f"pkg:generic/{name}@{version}", **_known(name, version)}


def _known(name: str, version: str) -> dict[str, str]:
    library = next((each for each in KNOWN if each.name == name), None)
    if library is None:
        return {}
    cpe = f"cpe:2.3:a:{library.cpe}:{version}:*:*:*:*:*:*:*" if library.cpe else ""
    return {key: value for key, value in (("cpe", cpe), ("license", library.license)) if value}


def _plain(purl: str) -> str:
    """A package URL without qualifiers: they name places on the machine that built the wheel."""
    return re.split(r"[?#]", purl, maxsplit=1)[0]


def _stated(each: Mapping[str, Any]) -> dict[str, str]:
    licenses = [one.get("expression") or one.get("license", {}).get("id") for one in each.get("licenses", ())]
    digests = [digest["content"] for digest in each.get("hashes", ()) if digest.get("alg") == "SHA-256"]
    found = {"license": licenses[0] if len(licenses) == 1 else None, "sha256": digests[0] if digests else None}
    return {key: value for key, value in found.items() if value}


def unique(found: Iterable[Found]) -> list[Found]:
    """Return the components, each once, sorted by name; the one that tells most stays."""
    by_key: dict[tuple[str, str], Found] = {}
    for each in found:
        key = (str(each.get("purl", each["name"])), str(each.get("version", each.get("sha256", ""))))
        by_key[key] = {**by_key.get(key, {}), **each}
    return [by_key[key] for key in sorted(by_key)]
