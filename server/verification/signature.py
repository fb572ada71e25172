"""Checks signatures of the checksums and the provenance beside an edition: DSSE envelopes in files of their own.

DSSE is the envelope of in-toto: https://github.com/secure-systems-lab/dsse. The signatures are checked by the library
``cryptography``, which is in editions with a plugin that needs it and is imported only here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from server.verification.beside import PROVENANCE, SUMS

ENDING = ".dsse.json"
"""The suffix of the envelope beside a signed file."""

TYPES = {SUMS: "application/vnd.flovyn.sha256sums", PROVENANCE: "application/vnd.in-toto+json"}
"""Types of the payload by the ending of the signed file."""

Verify = Callable[[bytes, bytes], bool]
"""Whether a signature is the key's, given signature and message."""


def message(payload_type: str, payload: bytes) -> bytes:
    """Return the signed bytes: DSSE's pre-authentication encoding of a payload and its type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(public_key: bytes) -> str:
    """Return the id of a public key in DER: its SHA-256. It only tells keys apart; it proves nothing."""
    return hashlib.sha256(public_key).hexdigest()


def problems(pex: Path, key: Path) -> Iterator[str]:
    """Yield a line for each file beside an edition that the key has not signed as it is there.

    Raises:
        InvalidInput: the key cannot be read, or nothing here can check signatures.
    """
    verify = reader(key)
    for ending, payload_type in TYPES.items():
        signed = pex.with_suffix(ending)
        envelope = signed.with_name(signed.name + ENDING)
        if not signed.is_file() or not envelope.is_file():
            missing = signed if not signed.is_file() else envelope
            yield f"{missing.name}: is not there; a signed release has it"
        elif not _is_signed(envelope, payload_type, signed.read_bytes(), verify):
            yield f"{envelope.name}: holds no signature by {key.name} of {signed.name} as it is here"


def reader(key: Path) -> Verify:
    """Return a function that checks signatures by a public key: PEM, Ed25519 or ECDSA with SHA-256.

    Raises:
        InvalidInput: the key cannot be read, is of another kind, or this edition cannot check signatures.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    except ModuleNotFoundError:
        raise InvalidInput(
            "this edition has no wheel `cryptography`, which checks signatures; let one with the plugin jwt do it:"
            " full.pex verify --public-key KEY FILE"
        ) from None
    try:
        public = serialization.load_pem_public_key(key.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{key}: is no public key in PEM: {error}") from None
    if not isinstance(public, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise InvalidInput(f"{key}: is a key of another kind; take one for Ed25519 or ECDSA")

    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            if isinstance(public, ed25519.Ed25519PublicKey):
                public.verify(signature, signed)
            else:
                public.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    return verify


def _is_signed(envelope: Path, payload_type: str, payload: bytes, verify: Verify) -> bool:
    try:
        found: dict[str, Any] = json.loads(envelope.read_bytes())
        signatures = [base64.b64decode(each["sig"], validate=True) for each in found["signatures"]]
        enclosed = base64.b64decode(found["payload"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    if (found.get("payloadType"), enclosed) != (payload_type, payload):
        return False
    return any(verify(signature, message(payload_type, payload)) for signature in signatures)
