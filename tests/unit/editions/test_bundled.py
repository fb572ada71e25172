"""Software inside of wheels: named by documents of the wheels, or recognized by what compiled files say of themselves."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from editions.tools.bundled import described, is_compiled, is_document, libpq_version, recognized, unique

LIBPQ = ".deps/a.whl/a.libs/libpq-e9b5c9ac.so.5.18"


def document(*components: dict[str, Any]) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "components": components}).encode()


def test_a_document_names_what_is_inside() -> None:
    """Package URLs lose what names places of the machine that built the wheel; known libraries get their CPE."""
    found = list(
        described(
            document(
                {"name": "asn1", "version": "0.24", "purl": "pkg:cargo/asn1@0.24?download_url=file://x#lib"},
                {"name": "openssl", "version": "4.0.3", "purl": "pkg:generic/openssl@4.0.3"},
            )
        )
    )
    assert found[0] == {"name": "asn1", "version": "0.24", "purl": "pkg:cargo/asn1@0.24"}
    assert found[1]["cpe"] == "cpe:2.3:a:openssl:openssl:4.0.3:*:*:*:*:*:*:*"


def test_licence_and_digest_of_a_document_are_kept() -> None:
    """The one licence and the SHA-256 that the document states go with the component."""
    each = {"name": "a", "version": "1", "purl": "pkg:cargo/a@1", "licenses": [{"expression": "MIT OR Apache-2.0"}]}
    (found,) = described(document({**each, "hashes": [{"alg": "SHA-256", "content": "ab"}]}))
    assert (found["license"], found["sha256"]) == ("MIT OR Apache-2.0", "ab")


@pytest.mark.parametrize(
    "component",
    [
        {"name": "cc", "version": "1", "purl": "pkg:cargo/cc@1", "scope": "excluded"},
        {"name": "a", "version": "1", "purl": "pkg:pypi/a@1"},
        {"name": "nameless", "version": "1"},
    ],
)
def test_tools_of_the_build_and_the_wheel_itself_are_not_inside(component: dict[str, Any]) -> None:
    """A component that was used only to build, the wheel itself, and one without a package URL are left out."""
    assert list(described(document(component))) == []


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[]", b'{"spdxVersion": "SPDX-2.3"}'])
def test_another_document_names_nothing(content: bytes) -> None:
    """A wheel may carry any file there; one that is no CycloneDX stops no build."""
    assert list(described(content)) == []


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        (b"OpenSSL 3.5.9 29 Sep 2026\0", "openssl", "3.5.9"),
        (b"KRB5_BRAND: krb5-1.22.2-final 1.22.2 20260129", "krb5", "1.22.2"),
        (b"PostgreSQL 18.6 on x86_64-pc-linux-gnu", "postgresql", "18.6"),
        (b" inflate 1.3.1 Copyright 1995-2024 Mark Adler ", "zlib", "1.3.1"),
        (b"expat_2.7.3\0", "expat", "2.7.3"),
        (b"bzip2\0" + b"1.0.8, 13-Jul-2019", "bzip2", "1.0.8"),
    ],
)
def test_a_compiled_file_tells_its_libraries(text: bytes, name: str, version: str) -> None:
    """Each library is known by the text that its own source puts into it."""
    assert [(each["name"], each["version"]) for each in recognized("a/b.so", b"\x7fELF" + text)] == [(name, version)]


@pytest.mark.parametrize("text", [b"OpenSSL 3's legacy provider failed", b"needs PostgreSQL 9.6 or newer", b"expat_"])
def test_a_mention_is_no_library(text: bytes) -> None:
    """A message that only names a library does not make it a component."""
    assert list(recognized("a/b.so", text)) == []


@pytest.mark.parametrize(
    "code",
    [
        b"\xb8" + struct.pack("<I", 180006) + b"\xc3",
        struct.pack("<III", 0x52800000 | (180006 & 0xFFFF) << 5, 0x72A00000 | (180006 >> 16) << 5, 0xD65F03C0),
    ],
    ids=["x86_64", "aarch64"],
)
def test_libpq_returns_its_version(code: bytes) -> None:
    """The constant that ``PQlibVersion`` returns is the version, on both processors."""
    assert libpq_version(b"\x7fELF" + code, 18) == "18.6"


def test_the_file_name_tells_the_major_version_of_libpq() -> None:
    """Where the code tells nothing, the name still does; the vendored file is listed with its digest as well."""
    libpq, file = recognized(LIBPQ, b"\x7fELF")
    assert (libpq["name"], libpq["version"]) == ("libpq", "18")
    assert file["name"] == "libpq-e9b5c9ac.so.5.18"
    assert len(file["sha256"]) == 64


def test_components_are_listed_once() -> None:
    """Of two reports on one library, the united one stays."""
    (found,) = unique(iter([{"name": "a", "purl": "p"}, {"name": "a", "purl": "p", "license": "MIT"}]))
    assert found == {"name": "a", "purl": "p", "license": "MIT"}


def test_members_are_told_apart() -> None:
    """Documents lie in one folder of a wheel; compiled files are known by their first bytes."""
    assert is_document(".deps/a.whl/a-1.dist-info/sboms/a.cdx.json")
    assert not is_document(".deps/a.whl/a/sboms/a.cdx.json")
    assert is_compiled(b"\x7fELF\x02")
    assert not is_compiled(b"#!/bin/sh")
