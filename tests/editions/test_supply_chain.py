"""SBOM and provenance as other programs read them: libraries of in-toto and a second reader of CycloneDX."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from lib4sbom.parser import SBOMParser
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from editions.tools.sign import PrivateKey, sign
from server.verification.signature import ENDING
from tests.support.pex import pex

FILES = ("MINIMAL_PEX", "FULL_PEX", "DEV_PEX")
KEYS: dict[str, Callable[[], PrivateKey]] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "ECDSA": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def sbom_of(variable: str) -> Path:
    return pex(variable).with_suffix(".cdx.json")


def provenance_of(variable: str) -> Path:
    return pex(variable).with_suffix(".intoto.jsonl")


def beside_scie(ending: str) -> Path:
    scie = pex("MINIMAL_SCIE")
    return scie.with_name(f"{scie.name}.scie.{ending}")


def components(sbom: Path) -> dict[str, dict[str, Any]]:
    return {each["bom-ref"]: each for each in json.loads(sbom.read_bytes())["components"]}


def needs(sbom: Path) -> dict[str, set[str]]:
    return {each["ref"]: set(each.get("dependsOn", ())) for each in json.loads(sbom.read_bytes())["dependencies"]}


def named(found: dict[str, dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [each for each in found.values() if each["name"] == name]


def held_to_in_toto(provenance: Path) -> Any:
    """The provenance in the form of in-toto's own library, which refuses unknown fields and missing ones."""
    statement = json_format.Parse(provenance.read_text(), statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    predicate = json_format.MessageToDict(statement.predicate)
    return statement, json_format.ParseDict(predicate, provenance_pb2.Provenance())


@pytest.mark.parametrize("variable", FILES)
def test_the_provenance_is_slsa_v1(variable: str) -> None:
    """The library of in-toto reads the statement, and its form of SLSA's provenance has every field of ours."""
    statement, provenance = held_to_in_toto(provenance_of(variable))
    assert statement.predicate_type == "https://slsa.dev/provenance/v1"
    assert provenance.build_definition.build_type
    assert provenance.run_details.builder.id
    assert len(provenance.build_definition.resolved_dependencies) > 10
    assert all(each.digest for each in provenance.build_definition.resolved_dependencies)


@pytest.mark.parametrize("kind", KEYS)
def test_another_library_verifies_the_signed_provenance(tmp_path: Path, kind: str) -> None:
    """``securesystemslib`` accepts the envelope with the public key, refuses it with another key or another payload."""
    key = KEYS[kind]()
    for ending in (".intoto.jsonl", ".SHA256SUMS"):
        (tmp_path / f"full{ending}").write_bytes(pex("FULL_PEX").with_suffix(ending).read_bytes())
    list(sign(tmp_path / "full.pex", key))
    content = json.loads((tmp_path / f"full.intoto.jsonl{ENDING}").read_bytes())
    keyid = content["signatures"][0]["keyid"]
    envelope = Envelope.from_dict(dict(content))
    assert envelope.verify([SSlibKey.from_crypto(key.public_key(), keyid=keyid)], 1)
    assert envelope.payload == provenance_of("FULL_PEX").read_bytes()
    assert envelope.payload_type == "application/vnd.in-toto+json"
    with pytest.raises(VerificationError):
        envelope.verify([SSlibKey.from_crypto(KEYS[kind]().public_key(), keyid=keyid)], 1)
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([SSlibKey.from_crypto(key.public_key(), keyid=keyid)], 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the reader leaves its own files open
@pytest.mark.parametrize("variable", FILES)
def test_a_second_reader_finds_the_same(variable: str) -> None:
    """Another reader of CycloneDX finds every component with its version and package URL."""
    parser = SBOMParser()
    parser.parse_string(sbom_of(variable).read_text())
    read = {  # the reader keeps one of those that have name and version in common
        (each["name"], each.get("version")): {
            entry[2] for entry in each.get("externalreference", ()) if entry[1] == "purl"
        }
        for each in parser.get_packages()
    }
    listed = [each for each in components(sbom_of(variable)).values() if each["type"] != "file"]
    assert len(listed) > 100
    for each in listed:
        assert read[each["name"], each.get("version")] == ({each["purl"]} if "purl" in each else set())


@pytest.mark.parametrize("variable", FILES)
def test_every_wheel_has_supplier_and_licence(variable: str) -> None:
    """Each wheel has a supplier and an SPDX licence, an id or an expression; nothing is named in other words."""
    for each in components(sbom_of(variable)).values():
        if each.get("purl", "").startswith("pkg:pypi/"):
            assert each["supplier"]["name"], each["name"]
            assert each["licenses"], each["name"]
        for licence in each.get("licenses", ()):
            assert "expression" in licence or "id" in licence["license"], each["name"]


def test_wheels_have_edges() -> None:
    """A wheel points to what it needs, through extras too, and every component is reached from the edition."""
    found = needs(sbom_of("FULL_PEX"))
    by_name = {each["name"]: ref for ref, each in components(sbom_of("FULL_PEX")).items()}
    assert by_name["pydantic-core"] in found[by_name["pydantic"]]
    assert by_name["psycopg-binary"] in found[by_name["psycopg"]]
    assert by_name["cffi"] in found[by_name["cryptography"]]
    reached, ahead = set(), {"flovyn-server"}
    while ahead:
        reached |= ahead
        ahead = {other for ref in ahead for other in found.get(ref, ())} - reached
    assert components(sbom_of("FULL_PEX")).keys() <= reached


@pytest.mark.parametrize(
    ("variable", "name", "product"),
    [
        ("MINIMAL_PEX", "openssl", "openssl:openssl"),
        ("MINIMAL_PEX", "libpq", "postgresql:postgresql"),
        ("MINIMAL_PEX", "krb5", "mit:kerberos_5"),
        ("DEV_PEX", "postgresql", "postgresql:postgresql"),
    ],
)
def test_libraries_inside_of_wheels_can_be_found(variable: str, name: str, product: str) -> None:
    """A scanner finds bundled libraries by product and whole version."""
    (each,) = {each["cpe"]: each for each in named(components(sbom_of(variable)), name)}.values()
    assert each["cpe"].startswith(f"cpe:2.3:a:{product}:{each['version']}:")
    assert each["version"].count(".") >= 1

    """The components of a wheel's own SBOM are in the edition's, below the wheel."""
    """The SBOM of the edition lists the components of each wheel's own SBOM below the wheel."""
    found = components(sbom_of("MINIMAL_PEX"))
    (regex,) = named(found, "regex")
    assert regex["purl"].startswith("pkg:cargo/regex@")
    (wheel,) = named(found, "pydantic-core")
    assert regex["bom-ref"] in needs(sbom_of("MINIMAL_PEX"))[wheel["bom-ref"]]


def test_the_sbom_of_a_file_with_its_interpreter() -> None:
    """It is strictly valid, and lists the edition's components and the interpreter with its archive's digest."""
    sbom = beside_scie("cdx.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom.read_text()) is None
    found = components(sbom)
    assert components(sbom_of("MINIMAL_PEX")).keys() < found.keys()
    (interpreter,) = named(found, "cpython")
    with tarfile.open(pex("INTERPRETER")) as archive:
        header = next(each for each in archive.getnames() if each.endswith("patchlevel.h"))
        text = archive.extractfile(header).read().decode()  # type: ignore[union-attr]  # it is a file
    assert f'"{interpreter["version"]}"' in text
    assert interpreter["cpe"].startswith(f"cpe:2.3:a:python:python:{interpreter['version']}:")
    assert interpreter["hashes"][0]["content"] == hashlib.sha256(pex("INTERPRETER").read_bytes()).hexdigest()
    assert interpreter["bom-ref"] in needs(sbom)["flovyn-server"]


def test_the_provenance_of_a_file_with_its_interpreter() -> None:
    """Its subject is the file; its materials are the edition and the interpreter, by digest."""
    statement, provenance = held_to_in_toto(beside_scie("intoto.jsonl"))
    subject = statement.subject[0].digest["sha256"]
    assert subject == hashlib.sha256(pex("MINIMAL_SCIE").read_bytes()).hexdigest()
    materials = {each.digest["sha256"] for each in provenance.build_definition.resolved_dependencies}
    parts = (pex("MINIMAL_PEX"), pex("INTERPRETER"))
    assert materials == {hashlib.sha256(part.read_bytes()).hexdigest() for part in parts}
    sums = beside_scie("SHA256SUMS").read_text()
    assert [line.split()[1] for line in sums.splitlines()] == [
        "minimal",
        "minimal.scie.cdx.json",
        "minimal.scie.intoto.jsonl",
    ]
