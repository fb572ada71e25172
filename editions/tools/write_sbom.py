"""Writes an edition's software bill of materials, a CycloneDX document.

It lists the server, its plugins, its wheels, and the software that wheels carry inside. Nothing in it varies between
two builds of the same thing: the only time is the commit's, in stamped builds, and the serial number follows from the
content.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

SERVER = "flovyn-server"
SUPPLIER = "The Flovyn project"


def document(edition: Mapping[str, Any], facts: Mapping[str, Any], needs: Mapping[str, Sequence[str]]) -> str:
    """Return the document.

    Args:
        edition: ``edition.json``.
        facts: what was found of the wheels.
        needs: names of wheels by who needs them: ``server``, ``extras`` and the names of plugins.
    """
    bom = Bom(serial_number=UUID(int=0))
    bom.metadata.component = root = _server(edition)
    bom.metadata.tools.components.add(_tool(edition))
    by_name = {wheel["name"]: _wheel(wheel) for wheel in facts["wheels"]}
    boot = _wheel(facts["boot"], "flovyn:start-up")
    plugins = {plugin["name"]: _plugin(plugin) for plugin in edition["plugins"]}
    packages = {plugin["name"]: [_npm(each) for each in plugin["npm"]] for plugin in edition["plugins"]}
    bundled = [package for each in packages.values() for package in each]
    bom.components.update([boot, *by_name.values(), *plugins.values(), *bundled])
    direct = {*needs["server"], *needs["extras"]}
    bom.register_dependency(root, [boot, *plugins.values(), *_of(by_name, direct)])
    for name, plugin in plugins.items():
        bom.register_dependency(plugin, [*_of(by_name, needs[name]), *packages[name]])
    for name, wheel in by_name.items():
        inside = [carried(each, wheel) for each in facts["bundled"][name]]
        bom.components.update(inside)
        bom.register_dependency(wheel, [*_of(by_name, facts["needs"].get(name, ())), *inside])
    return as_text(bom, edition.get("commit_date"))


def _of(components: Mapping[str, Component], names: Sequence[str] | set[str]) -> list[Component]:
    return [components[name] for name in names if name in components]


def _server(edition: Mapping[str, Any]) -> Component:
    facts = {key: str(edition[key]) for key in ("edition", "lock", "python", "commit") if key in edition}
    return Component(
        name=SERVER,
        version=edition["version"],
        type=ComponentType.APPLICATION,
        bom_ref=SERVER,
        supplier=OrganizationalEntity(name=SUPPLIER),
        licenses=[server_licence(edition["license"])] if edition["license"] else [],
        properties=[Property(name=f"flovyn:{key}", value=value) for key, value in facts.items()],
    )


def server_licence(expression: str) -> License:
    """Return the licence that the project declares.

    Raises:
        ValueError: it is no SPDX licence expression.
    """
    found = LicenseFactory().make_from_string(expression)
    if isinstance(found, DisjunctiveLicense) and found.id is None:
        raise ValueError(f"LICENSE_EXPRESSION: {expression!r} is no SPDX licence expression, such as 'Apache-2.0'")
    return found


def _plugin(plugin: Mapping[str, Any]) -> Component:
    return Component(
        name=plugin["name"],
        version=plugin["version"],
        type=ComponentType.LIBRARY,
        bom_ref=f"plugin:{plugin['name']}",
        properties=[Property(name="flovyn:plugin", value=plugin["entry"])],
    )


def _wheel(wheel: Mapping[str, Any], role: str = "flovyn:wheel") -> Component:
    url = PackageURL("pypi", None, wheel["name"], wheel["version"])
    return Component(
        name=wheel["name"],
        version=wheel["version"],
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel["sha256"])],
        licenses=[LicenseFactory().make_from_string(wheel["license"])],
        supplier=OrganizationalEntity(name=wheel["supplier"]) if wheel["supplier"] else None,
        properties=[Property(name=role, value=wheel["file"])],
    )


def carried(found: Mapping[str, Any], wheel: Component) -> Component:
    """Return one component inside of another: a library, or a file of which only the digest is known."""
    purl = PackageURL.from_string(found["purl"]) if "purl" in found else None
    version = found.get("version")
    return Component(
        name=found["name"],
        version=version,
        type=ComponentType.LIBRARY if purl else ComponentType.FILE,
        bom_ref=f"{wheel.bom_ref.value}#{purl.to_string() if purl else found['name']}",
        purl=purl,
        cpe=found.get("cpe"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=found["sha256"])] if "sha256" in found else [],
        licenses=[LicenseFactory().make_from_string(found["license"])] if "license" in found else [],
        properties=[Property(name="flovyn:inside", value=wheel.name)],
    )


def _npm(package: Mapping[str, Any]) -> Component:
    namespace, _, name = package["name"].rpartition("/")
    url = PackageURL("npm", namespace or None, name, package["version"])
    digest = base64.b64decode(package["integrity"].removeprefix("sha512-")).hex()
    return Component(
        name=package["name"],
        version=package["version"],
        type=ComponentType.LIBRARY,
        bom_ref=url.to_string(),
        purl=url,
        hashes=[HashType(alg=HashAlgorithm.SHA_512, content=digest)],
        licenses=[LicenseFactory().make_from_string(package["license"])],
        properties=[Property(name="flovyn:npm", value=", ".join(package["files"]))],
    )


def _tool(edition: Mapping[str, Any]) -> Component:
    """Return the tool that wrote the document; it has the version of the server, whose source contains it."""
    return Component(
        name=f"{SERVER} editions", version=edition["version"], type=ComponentType.APPLICATION, bom_ref="editions"
    )


def as_text(bom: Bom, time: str | None) -> str:
    """Return the document with this time, or without the one that the library always sets, and a serial number."""
    content = json.loads(JsonV1Dot6(bom).output_as_string())
    del content["metadata"]["timestamp"]
    if time is not None:
        content["metadata"]["timestamp"] = time
    content["serialNumber"] = ""
    content["serialNumber"] = uuid5(UUID(int=0), hashlib.sha256(_dumped(content).encode()).hexdigest()).urn
    return _dumped(content)


def _dumped(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when the project's licence is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--edition", "--wheels", "--parts", "--out"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args(arguments)
    edition, wheels, parts = (
        json.loads(path.read_bytes()) for path in (options.edition, options.wheels, options.parts)
    )
    needs = {name: part["wheels"] for name, part in parts.items()}
    try:
        text = document(edition, wheels, needs)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    options.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
