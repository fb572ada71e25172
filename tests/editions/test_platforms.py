"""An edition for another platform and Python than the builder's: what is inside, and that it refuses to run here."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import zipfile
import zlib
from typing import Any

import pytest
from pip._vendor.packaging.tags import parse_tag

from editions.toolchain.targets import Target
from tests.support.pex import pex

TARGET = Target("linux-aarch64", "3.12")


def read(name: str) -> dict[str, Any]:
    with zipfile.ZipFile(pex("ARM_PEX")) as archive:
        content: dict[str, Any] = json.loads(archive.read(name))
    return content


def test_every_wheel_runs_there() -> None:
    """Not one wheel of the host's got in, and compiled ones are for the target."""
    wheels = [name.removesuffix(".whl").split("-") for name in read("PEX-INFO")["distributions"]]
    compatible = set(TARGET.environment()["compatible_tags"])  # type: ignore[call-overload]
    for name, _, *tags in wheels:
        assert compatible & {str(tag) for tag in parse_tag("-".join(tags[-3:]))}, name
    assert {"grpcio", "psycopg_binary", "pydantic_core"} <= {
        name for name, _, *tags in wheels if tags[-1].endswith("_aarch64")
    }


def test_compiled_code_is_for_the_target() -> None:
    """The machine code inside is of the target's processor, whatever the wheels' names say."""
    with zipfile.ZipFile(pex("ARM_PEX")) as archive:
        headers = [archive.open(name).read(20) for name in archive.namelist() if name.endswith(".so")]
    assert headers
    assert {int.from_bytes(header[18:20], "little") for header in headers} == {183}  # EM_AARCH64


def test_the_edition_keeps_its_name_and_says_what_it_is_for() -> None:
    """Platform and Python are the target's; name and plugins are those of the edition."""
    info = read("flovyn_edition/edition.json")
    assert (info["edition"], info["platform"], info["python"]) == ("full", "linux-aarch64", "3.12")
    assert [plugin["name"] for plugin in info["plugins"]] == ["audit-log", "console", "jwt", "otel", "worker-token"]
    assert read("PEX-INFO")["interpreter_constraints"] == ["CPython==3.12.*"]


def test_the_python_that_builds_does_not_show() -> None:
    """Each copy of ``__main__.py`` names the target's Python, also those that were replaced and are left in the file."""
    content = pex("ARM_PEX").read_bytes()
    heads = [found.end() for found in re.finditer(rb"PK\x03\x04.{22}\x0b\x00\x00\x00__main__\.py", content, re.DOTALL)]
    texts = [zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[head:], 40) for head in heads]
    assert texts
    assert {text.partition(b"\n")[0] for text in texts} == {b"#!/usr/bin/env python3.12"}


@pytest.mark.skipif(platform.machine() == "aarch64" and sys.version_info[:2] == (3, 12), reason="it runs here")
def test_here_it_says_in_one_line_what_it_needs() -> None:
    """Started on the wrong machine it names what it needs and what it found, and fails."""
    done = subprocess.run([str(pex("ARM_PEX")), "version"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{pex('ARM_PEX').name}: needs CPython 3.12 on linux-aarch64 with glibc 2.")
    assert "; found " in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_edition_for_musl_holds_wheels_for_musl() -> None:
    """Every wheel runs on Alpine; compiled ones are for musl, none for the GNU C library."""
    with zipfile.ZipFile(pex("MUSL_PEX")) as archive:
        wheels = json.loads(archive.read("PEX-INFO"))["distributions"]
        info = json.loads(archive.read("flovyn_edition/edition.json"))
    assert info["platform"] == "linux-musl-x86_64"
    compatible = set(Target("linux-musl-x86_64", "3.12").environment()["compatible_tags"])  # type: ignore[call-overload]
    for name in wheels:
        tags = name.removesuffix(".whl").split("-")[-3:]
        assert compatible & {str(tag) for tag in parse_tag("-".join(tags))}, name
    assert {"cryptography", "grpcio", "psycopg_binary", "pydantic_core"} <= {
        name.partition("-")[0] for name in wheels if "musllinux" in name
    }


@pytest.mark.skipif(not os.confstr("CS_GNU_LIBC_VERSION"), reason="it may run here")
def test_on_the_gnu_library_an_edition_for_musl_says_what_it_needs() -> None:
    """The C library is told apart before an import fails: one line names both platforms."""
    done = subprocess.run([str(pex("MUSL_PEX")), "version"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{pex('MUSL_PEX').name}: needs CPython 3.12 on linux-musl-x86_64; found " in done.stderr
    assert done.stderr.count("\n") == 1
