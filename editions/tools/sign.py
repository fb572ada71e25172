"""Signs the checksums and the provenance of editions with a key of the release engineer's, offline.

./bazelw run //:release -- sign --key release.pem dist/full.pex …

Beside each edition come ``<edition>.SHA256SUMS.dsse.json`` and ``<edition>.intoto.jsonl.dsse.json``: DSSE envelopes,
which ``flovyn-server verify --public-key`` and other readers of in-toto check. The key is a private one in PEM, for
Ed25519 or ECDSA: openssl genpkey -algorithm ed25519 -out release.pem
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from editions.tools import workspace
from server.verification.signature import ENDING, TYPES, key_id, message

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def load(key: Path, ask: Callable[[str], str] = getpass.getpass) -> PrivateKey:
    """Read a private key; ``ask`` is called for its passphrase when it has one.

    Raises:
        ValueError: it is no private key in PEM, or one of another kind, or the passphrase is wrong.
    """
    content = key.read_bytes()
    try:
        found = serialization.load_pem_private_key(content, password=None)
    except TypeError:  # the library's answer to a key with a passphrase
        found = serialization.load_pem_private_key(content, password=ask(f"passphrase of {key.name}: ").encode())
    if not isinstance(found, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key} is a key of another kind; take one for Ed25519 or ECDSA")  # noqa: TRY004
    return found


def envelope(payload_type: str, payload: bytes, key: PrivateKey) -> str:
    """Return the signed payload as a DSSE envelope."""
    signed = message(payload_type, payload)
    signature = (
        key.sign(signed) if isinstance(key, ed25519.Ed25519PrivateKey) else key.sign(signed, ec.ECDSA(hashes.SHA256()))
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    content = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": key_id(public), "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(content, sort_keys=True) + "\n"


def sign(pex: Path, key: PrivateKey) -> Iterator[Path]:
    """Write the envelopes of an edition's checksums and provenance, and yield their paths.

    Raises:
        OSError: one of the two is not there.
    """
    for ending, payload_type in TYPES.items():
        file = pex.with_suffix(ending)
        target = file.with_name(file.name + ENDING)
        target.write_text(envelope(payload_type, file.read_bytes(), key), encoding="utf-8")
        yield target


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //:release -- sign``; 1 and the reason when something cannot be signed."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //:release -- sign",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--key", type=Path, required=True, help="a private key in PEM, for Ed25519 or ECDSA")
    parser.add_argument(
        "file", type=Path, nargs="+", help="an edition's file; its checksums and provenance lie beside it"
    )
    options = parser.parse_args(arguments)
    try:
        key = load(workspace.caller() / options.key)
        for file in options.file:
            for written in sign(workspace.caller() / file, key):
                print(written)
    except (OSError, ValueError) as error:
        return workspace.told(error)
    return 0
