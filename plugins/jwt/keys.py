"""Reads the identity provider's set of keys (RFC 7517) and keeps those that may sign tokens for this server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from jwt import get_algorithm_by_name
from jwt.exceptions import InvalidKeyError

MAX_KEYS: Final = 100
MAX_KEY_ID: Final = 512
RSA_BITS: Final = range(2048, 8193)
"""Shorter ones can be broken, longer ones make every check slow."""

_PUBLIC: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
_ALGORITHM: Final[Mapping[str, str]] = {"RSA": "RS256", "EC": "ES256"}


class JwksError(Exception):
    """The keys cannot be had; the text says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm that it is for: a token has no say in that."""

    algorithm: str
    _key: Any = field(repr=False)

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over these bytes."""
        return get_algorithm_by_name(self.algorithm).verify(signed, self._key, signature)


def read_keys(document: bytes) -> Mapping[str, VerificationKey]:
    """Return the usable keys of a JWKS document by their id.

    Left out are keys without an id, for encryption, of kinds or sizes that are not accepted, with their private part in
    the open, and all keys that share an id: their meaning is ambiguous.

    Raises:
        JwksError: the document is no set of keys, or holds no usable one.
    """
    entries = _entries(document)
    ids = Counter(_key_id(entry) for entry in entries)
    found = {name: key for name, key in _usable(entries) if ids[name] == 1}
    if not found:
        raise JwksError(f"none of its {len(entries)} keys is a usable RS256 or ES256 key with an id (kid) of its own")
    return found


def _entries(document: bytes) -> list[Mapping[str, Any]]:
    try:
        keys = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise JwksError(f"it is not a JSON Web Key Set of at most {MAX_KEYS} keys")
    return [entry for entry in keys if isinstance(entry, dict)]


def _key_id(entry: Mapping[str, Any]) -> str | None:
    name = entry.get("kid")
    return name if isinstance(name, str) and 0 < len(name) <= MAX_KEY_ID else None


def _usable(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, VerificationKey]]:
    for entry in entries:
        name, kind = _key_id(entry), entry.get("kty")
        if name is None or not isinstance(kind, str) or kind not in _PUBLIC or not _is_for_signatures(entry, kind):
            continue
        key = _public_key(entry, kind)
        if key is not None:
            yield name, VerificationKey(_ALGORITHM[kind], key)


def _is_for_signatures(entry: Mapping[str, Any], kind: str) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and entry.get("alg", _ALGORITHM[kind]) == _ALGORITHM[kind]
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in entry
    )


def _public_key(entry: Mapping[str, Any], kind: str) -> Any:
    """Return the key for ``cryptography``, which checks that it is one; None when it is not, or not acceptable."""
    parts = {name: entry.get(name) for name in _PUBLIC[kind]}
    if not all(isinstance(part, str) for part in parts.values()) or parts.get("crv", "P-256") != "P-256":
        return None
    try:
        key = get_algorithm_by_name(_ALGORITHM[kind]).from_jwk({"kty": kind, **parts})
    except (InvalidKeyError, ValueError, UnsupportedAlgorithm):
        return None
    return None if kind == "RSA" and key.key_size not in RSA_BITS else key
