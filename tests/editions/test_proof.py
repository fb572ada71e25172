"""The documents of an edition: manifest, SBOM, provenance, checksums, licences; and how two editions differ."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from editions.tools.diff_editions import differences
from editions.tools.edition_file import read
from editions.tools.report_edition import report
from tests.support.pex import pex, run

EDITIONS = ("MINIMAL_PEX", "FULL_PEX", "OUT_OF_TREE_PEX")


def beside(variable: str, ending: str) -> Path:
    return pex(variable).with_suffix(ending)


def loaded(variable: str, ending: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(beside(variable, ending).read_bytes())
    return found


def contents(variable: str) -> dict[str, bytes]:
    with zipfile.ZipFile(pex(variable)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


@pytest.mark.parametrize("variable", EDITIONS)
def test_inside_and_beside_are_the_same(variable: str) -> None:
    """Manifest and SBOM of the file, beside it, and as the commands print them are the same bytes."""
    inside = contents(variable)
    for ending, name, command in (
        (".manifest.json", "manifest.json", ("manifest", "--json")),
        (".cdx.json", "sbom.cdx.json", ("sbom",)),
    ):
        document = beside(variable, ending).read_text()
        assert inside[f"flovyn_edition/{name}"].decode() == document
        assert run(variable, *command).stdout == document


@pytest.mark.parametrize("variable", EDITIONS)
def test_the_manifest_lists_every_member(variable: str) -> None:
    """All members but the manifest itself stand in it with the digest of what they hold."""
    found = {name: hashlib.sha256(content).hexdigest() for name, content in contents(variable).items()}
    del found["flovyn_edition/manifest.json"]
    assert loaded(variable, ".manifest.json")["members"] == found


@pytest.mark.parametrize("variable", EDITIONS)
def test_checksums(variable: str) -> None:
    """``sha256sum -c`` accepts the checksums, which are those of all files of the edition."""
    sums = beside(variable, ".SHA256SUMS")
    command = ["/usr/bin/env", "sha256sum", "-c", sums.name]
    done = subprocess.run(command, cwd=sums.parent, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    name = pex(variable).stem
    assert done.stdout.splitlines() == [
        f"{name}.{ending}: OK" for ending in ("cdx.json", "intoto.jsonl", "manifest.json", "pex")
    ]


@pytest.mark.parametrize("variable", EDITIONS)
def test_the_sbom_is_valid(variable: str) -> None:
    """The document follows the schema of CycloneDX, strictly."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(beside(variable, ".cdx.json").read_text()) is None


@pytest.mark.parametrize("variable", EDITIONS)
def test_the_sbom_names_what_is_packed(variable: str) -> None:
    """Its components are wheels and what they carry, npm packages, the plugins that the edition lists, PEX, and no more."""
    packed = {name.split("/")[1] for name in contents(variable) if name.startswith(".deps/")}
    manifest = loaded(variable, ".manifest.json")
    components = loaded(variable, ".cdx.json")["components"]
    properties = {each["bom-ref"]: each["properties"][0] for each in components}
    assert {each["value"] for each in properties.values() if each["name"] == "flovyn:wheel"} == packed
    plugins = {each["name"] for each in components if each["bom-ref"].startswith("plugin:")}
    assert plugins == {plugin["name"] for plugin in manifest["plugins"]}
    started = json.loads(contents(variable)["PEX-INFO"])["build_properties"]["pex_version"]
    assert f"pkg:pypi/pex@{started}" in properties
    inside = [each["value"] for each in properties.values() if each["name"] == "flovyn:inside"]
    assert set(inside) <= {wheel["name"] for wheel in manifest["wheels"]}
    npm = [package for plugin in manifest["plugins"] for package in plugin["npm"]]
    assert len(components) == len(packed) + len(plugins) + 1 + len(inside) + len(npm)


@pytest.mark.parametrize("variable", EDITIONS)
def test_the_provenance_is_about_the_file(variable: str) -> None:
    """Its subject is the file by digest; its materials are the lock and every wheel; an unstamped one names no commit."""
    statement = loaded(variable, ".intoto.jsonl")
    digest = hashlib.sha256(pex(variable).read_bytes()).hexdigest()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": pex(variable).name, "digest": {"sha256": digest}}]
    materials = {
        each["name"]: each["digest"] for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    manifest = loaded(variable, ".manifest.json")
    assert materials["runtime.lock"] == {"sha256": manifest["lock"]}
    assert {wheel["file"]: {"sha256": wheel["sha256"]} for wheel in manifest["wheels"]}.items() <= materials.items()
    assert "source" not in materials


def test_an_unstamped_edition_holds_no_time() -> None:
    """Nothing that an edition says of itself depends on when it was built."""
    assert not {"commit", "commit_date", "dirty"} & loaded("FULL_PEX", ".manifest.json").keys()
    assert "timestamp" not in loaded("FULL_PEX", ".cdx.json")["metadata"]
    assert loaded("FULL_PEX", ".intoto.jsonl")["predicate"]["runDetails"].keys() == {"builder"}


def test_minimal_holds_nothing_of_any_plugin() -> None:
    """No table, index, RPC or class of a plugin stands anywhere in the bytes of the edition without plugins."""
    full = loaded("FULL_PEX", ".manifest.json")
    minimal = contents("MINIMAL_PEX")
    names = {name for plugin in full["plugins"] for _, name in plugin["objects"]}
    names |= {rpc.rpartition("/")[0] for plugin in full["plugins"] for rpc in plugin["rpcs"]}
    names |= {plugin["entry"].partition(":")[2] for plugin in full["plugins"]}
    assert len(names) > 20
    packed = contents("FULL_PEX")
    assert [name for name in names if not any(name.encode() in content for content in packed.values())] == []
    assert [(name, member) for name in names for member in minimal if name.encode() in minimal[member]] == []
    only = {wheel["file"] for wheel in full["wheels"] if "server" not in wheel["needed_by"]}
    assert only
    assert not [member for member in minimal if member.startswith(tuple(f".deps/{file}/" for file in only))]


def test_licences() -> None:
    """Every wheel and npm package has a readable licence, with its text where the package brings one."""
    listed_first = run("FULL_PEX", "licenses").stdout.partition("\n")[0].split(maxsplit=2)
    assert (listed_first[0], listed_first[2]) == (
        "flovyn-server",
        loaded("FULL_PEX", ".manifest.json")["license"] or "not declared",
    )
    document = json.loads(run("FULL_PEX", "licenses", "--texts", "--json").stdout)
    found = document["wheels"]
    assert [each["name"] for each in found if each["license"] == "unknown"] == []
    texts = {each["name"]: each["texts"] for each in found}
    assert "Apache License" in texts["grpcio"]["licenses/LICENSE"]
    listed = {wheel["name"]: len(wheel["license_files"]) for wheel in loaded("FULL_PEX", ".manifest.json")["wheels"]}
    assert {name: len(each) for name, each in texts.items()} == {**listed, "pex": 0}
    assert "MIT" in {each["license"] for each in document["npm"]}
    assert all(each["texts"] for each in document["npm"])


def test_an_edition_does_not_differ_from_itself() -> None:
    """Neither from its file nor from the manifest that was kept of it."""
    full = read(pex("FULL_PEX"))
    assert differences(full, full) == {}
    assert differences(full, read(beside("FULL_PEX", ".manifest.json"))) == {}


def test_two_editions_differ_in_what_one_of_them_lists() -> None:
    """The difference of full and minimal is the plugins, all that they add, and the wheels that they alone need."""
    full, minimal = read(pex("FULL_PEX")), read(pex("MINIMAL_PEX"))
    found = differences(minimal, full)
    manifest = full.manifest
    assert found["plugins"]["added"].keys() == {plugin["name"] for plugin in manifest["plugins"]}
    assert found["rpcs"]["added"].keys() == {rpc for plugin in manifest["plugins"] for rpc in plugin["rpcs"]}
    alone = {wheel["name"] for wheel in manifest["wheels"] if "server" not in wheel["needed_by"]}
    assert found["wheels"]["added"].keys() == found["licences"]["added"].keys() == alone
    assert not [kind for kind, each in found.items() if each["removed"] or (each["changed"] and kind != "size")]


def test_the_order_of_the_list_is_no_difference() -> None:
    """Editions that list the same plugins in another order differ in nothing but the length of their names."""
    assert differences(read(pex("OUT_OF_TREE_PEX")), read(pex("REVERSED_PEX"))).keys() <= {"size"}


def test_the_report_adds_up() -> None:
    """The parts, the wheels and the rest are the size of the file, and what jwt alone needs is told as such."""
    found = report(read(pex("FULL_PEX")))
    parts = {part["name"]: part for part in found["parts"]}
    wheels = sum(wheel["size"] for wheel in found["wheels"])
    assert sum(part["own"] for part in parts.values()) + wheels + found["rest"] == found["size"]
    assert {"cryptography", "pyjwt"} <= set(parts["jwt"]["exclusive_wheels"])
    assert 0 < found["rest"] < 0.1 * found["size"]
