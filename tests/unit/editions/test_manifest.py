"""An edition's manifest, SBOM and provenance, as functions of its parts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from editions.tools import manifest, write_proof, write_sbom
from editions.tools.bundled import component
from editions.tools.sealed_pex import Measured

CONTRIBUTIONS: dict[str, Any] = {
    kind: [] for kind in ("routes", "aliases", "rpcs", "authenticators", "authorizers", "sections", "variables")
}
JWT: dict[str, Any] = {
    "name": "jwt",
    "version": "1.0.0",
    "entry": "plugins.jwt.plugin:JwtPlugin",
    "plugin_api": ">=1.0,<2",
    "requires": [],
    "objects": [["table", "p_jwt__keys"]],
    "npm": [],
    "migrations": [],
    "contributions": {**CONTRIBUTIONS, "routes": ["GET /api/v1/p/jwt/keys"]},
}
EDITION: dict[str, Any] = {
    "schema": 1,
    "edition": "acme",
    "version": "1.2.3",
    "license": "",
    "python": "3.11",
    "platform": "linux-x86_64",
    "lock": "f" * 64,
    "lint_rules": "1",
    "plugins": [JWT],
    "server": CONTRIBUTIONS,
}
STAMP = {"commit": "abc", "commit_date": "2026-01-02T03:04:05Z", "dirty": False}
FILES = {
    "core/a.py": b"shared",
    "migrations/0001_create_tenant.sql": b"CREATE",
    "migrations/lint/rules.sql": b"no migration",
    "plugins/jwt/plugin.py": b"one",
    "plugins/jwt/keys.py": b"two",
    "proto/flovyn/v1/query_pb2_grpc.py": b"stub('/flovyn.v1.WorkflowQuery/QueryWorkflow', x)",
}
WHEELS: dict[str, Any] = {
    "boot": {
        "name": "pex",
        "version": "2.0",
        "file": "pex-2.0.whl",
        "sha256": "b" * 64,
        "license": "Apache-2.0",
        "supplier": "",
    },
    "bundled": {"cffi": [component("zlib", "1.3.1"), {"name": "libffi.so.8", "sha256": "d" * 64}], "falcon": []},
    "needs": {"falcon": ["cffi"]},
    "members": {},
    "plugin_locks": [],
    "wheels": [
        {
            "name": name,
            "version": "1.0",
            "file": file,
            "sha256": "a" * 64,
            "license": licence,
            "supplier": "The authors",
            "license_files": [],
            "size": 10,
        }
        for name, file, licence in (
            ("cffi", "cffi-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "MIT OR Apache-2.0"),
            ("falcon", "falcon-1.0-py3-none-any.whl", "BSD License"),
        )
    ],
}


@pytest.fixture
def parts(tmp_path: Path) -> manifest.ManifestParts:
    path = tmp_path / "parts.json"
    content = {
        "extras": {"sources": [], "wheels": []},
        "jwt": {"sources": ["core/a.py", "plugins/jwt/plugin.py", "plugins/jwt/keys.py"], "wheels": ["cffi", "falcon"]},
        "server": {"sources": ["core/a.py"], "wheels": ["falcon"]},
    }
    path.write_text(json.dumps(content))
    return manifest.ManifestParts.read(path, [])


def made(parts: manifest.ManifestParts, **more: object) -> dict[str, Any]:
    return manifest.facts({**EDITION, **more}, WHEELS, parts, FILES)


def test_the_requirers_of_a_wheel(parts: manifest.ManifestParts) -> None:
    """A wheel names everybody who needs it, so that it can be told who would take it along."""
    assert [(wheel["name"], wheel["needed_by"]) for wheel in made(parts)["wheels"]] == [
        ("cffi", ["jwt"]),
        ("falcon", ["jwt", "server"]),
    ]


def test_source_digest_of_a_plugin(parts: manifest.ManifestParts) -> None:
    """It is the digest of what sha256sum prints for the plugin's own files; what the server has anyway is not among them."""
    (plugin,) = made(parts)["plugins"]
    printed = "".join(
        f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n"
        for name in ("plugins/jwt/keys.py", "plugins/jwt/plugin.py")
    )
    assert plugin["files"] == 2
    assert plugin["source_sha256"] == hashlib.sha256(printed.encode()).hexdigest()
    assert plugin["routes"] == ["GET /api/v1/p/jwt/keys"]


def test_the_server_is_described_too(parts: manifest.ManifestParts) -> None:
    """Core migrations and the methods of the wire contract are there, for comparing two versions."""
    server = made(parts)["server"]
    assert [each["file"] for each in server["migrations"]] == ["0001_create_tenant.sql"]
    assert server["rpcs"] == ["/flovyn.v1.WorkflowQuery/QueryWorkflow"]


def test_sizes_and_members_come_last(parts: manifest.ManifestParts) -> None:
    """The sizes and members of the file complete the facts that were known before."""
    sizes = {"plugins/jwt/plugin.py": 3, "plugins/jwt/keys.py": 4, "core/a.py": 100}
    whole = manifest.complete(made(parts), Measured({"core/a.py": "d"}, sizes, "h"), parts)
    assert whole["plugins"][0]["size"] == 7
    assert (whole["members"], whole["header_sha256"]) == ({"core/a.py": "d"}, "h")


def sbom(**more: object) -> dict[str, Any]:
    needs = {"server": ["falcon"], "extras": [], "jwt": ["cffi", "falcon"]}
    found: dict[str, Any] = json.loads(write_sbom.document({**EDITION, **more}, WHEELS, needs))
    return found


def test_sbom_names_licences_as_they_are() -> None:
    """An SPDX expression is told as one, other words as a name."""
    licences = {each["name"]: each.get("licenses") for each in sbom()["components"]}
    assert licences["cffi"] == [{"expression": "MIT OR Apache-2.0"}]
    assert licences["falcon"] == [{"license": {"name": "BSD License"}}]


def test_sbom_lists_the_npm_packages_of_a_plugin() -> None:
    """A package is a component of its own, with its digest, on which the plugin depends."""
    package = {
        "name": "@preact/signals",
        "version": "2.0.0",
        "license": "MIT",
        "integrity": "sha512-eHl6",
        "files": ["s.js"],
    }
    [plugin] = EDITION["plugins"]
    found = sbom(plugins=[{**plugin, "npm": [package]}])
    [listed] = [each for each in found["components"] if each["name"] == "@preact/signals"]
    assert (listed["purl"], listed["hashes"][0]["content"]) == ("pkg:npm/%40preact/signals@2.0.0", "78797a")
    [needs] = [each["dependsOn"] for each in found["dependencies"] if each["ref"] == "plugin:jwt"]
    assert listed["bom-ref"] in needs


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("", None),
        ("Apache-2.0", [{"license": {"id": "Apache-2.0"}}]),
        ("MIT OR Apache-2.0", [{"expression": "MIT OR Apache-2.0"}]),
    ],
)
def test_sbom_has_the_declared_licence_of_the_server(declared: str, found: object) -> None:
    """An empty LICENSE_EXPRESSION declares none, and the SBOM then says nothing of it."""
    assert sbom(license=declared)["metadata"]["component"].get("licenses") == found


def test_a_licence_that_is_no_spdx_expression_is_refused() -> None:
    """The message names the one place where it is declared."""
    with pytest.raises(ValueError, match="LICENSE_EXPRESSION: 'Apache 2' is no SPDX licence expression"):
        sbom(license="Apache 2")


def test_sbom_has_a_time_only_where_the_build_was_stamped() -> None:
    """It is the commit's, so that two builds of one commit agree; the schema accepts both forms."""
    plain, stamped = sbom(), sbom(**STAMP)
    assert "timestamp" not in plain["metadata"]
    assert stamped["metadata"]["timestamp"] == STAMP["commit_date"]
    assert stamped["serialNumber"] != plain["serialNumber"]
    for document in (plain, stamped):
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None


def test_sbom_names_the_tool_that_wrote_it() -> None:
    """With its version, as readers of bills of materials want it."""
    (tool,) = sbom()["metadata"]["tools"]["components"]
    assert (tool["name"], tool["version"]) == ("flovyn-server editions", "1.2.3")


def test_sbom_says_who_needs_what() -> None:
    """The server needs its plugins and wheels, a plugin its own wheels, a wheel others and what it carries."""
    needs = {each["ref"]: each.get("dependsOn", []) for each in sbom()["dependencies"]}
    assert needs["pkg:pypi/falcon@1.0"] == ["pkg:pypi/cffi@1.0"]
    inside = ["pkg:pypi/cffi@1.0#libffi.so.8", "pkg:pypi/cffi@1.0#pkg:generic/zlib@1.3.1"]
    assert needs["pkg:pypi/cffi@1.0"] == inside
    assert needs["flovyn-server"] == ["pkg:pypi/falcon@1.0", "pkg:pypi/pex@2.0", "plugin:jwt"]
    assert needs["plugin:jwt"] == ["pkg:pypi/cffi@1.0", "pkg:pypi/falcon@1.0"]


def test_sbom_lists_what_a_wheel_carries() -> None:
    """A library has package URL, CPE and licence; a vendored file of which no more is known has its digest."""
    found = {each["name"]: each for each in sbom()["components"]}
    assert found["zlib"]["cpe"] == "cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*"
    assert found["zlib"]["licenses"] == [{"license": {"id": "Zlib"}}]
    assert (found["libffi.so.8"]["type"], found["libffi.so.8"]["hashes"][0]["content"]) == ("file", "d" * 64)
    assert found["cffi"]["supplier"] == {"name": "The authors"}


def test_the_serial_number_follows_from_the_content() -> None:
    """The same edition has the same number whenever it is built; another one has another."""
    assert sbom()["serialNumber"] == sbom()["serialNumber"]
    assert sbom()["serialNumber"] != sbom(version="1.2.4")["serialNumber"]


def test_a_stamped_statement_names_the_commit(parts: manifest.ManifestParts) -> None:
    """The commit is a material of a stamped build, with whether the checkout had changes; of no other."""
    for stamp in ({}, STAMP):
        made_of = write_proof.materials(made(parts, **stamp))
        sources = [each for each in made_of if each["name"] == "source"]
        expected = [{"name": "source", "digest": {"gitCommit": "abc"}, "annotations": {"dirty": False}}]
        assert sources == (expected if stamp else [])


def test_materials_name_all_that_went_in(parts: manifest.ManifestParts) -> None:
    """The lock, each plugin by the digest of its sources, each wheel by its file's, and what starts the edition."""
    names = [each["name"] for each in write_proof.materials(made(parts))]
    assert names == ["runtime.lock", "plugin jwt 1.0.0", *(wheel["file"] for wheel in WHEELS["wheels"]), "pex-2.0.whl"]


def test_a_lock_of_a_plugin_is_a_material(monkeypatch: pytest.MonkeyPatch, parts: manifest.ManifestParts) -> None:
    """The manifest and the provenance name it with its digest, where it pins a wheel of the edition."""
    lock = {"name": "requirements.lock", "sha256": "c" * 64}
    monkeypatch.setitem(WHEELS, "plugin_locks", [lock])
    assert made(parts)["plugin_locks"] == [lock]
    assert {"name": "requirements.lock", "digest": {"sha256": "c" * 64}} in write_proof.materials(made(parts))
