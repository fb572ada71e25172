"""Certificates for tests of TLS: an authority, and what it signs."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


class Authority:
    """An authority that signs certificates for servers and clients."""

    def __init__(self, name: str) -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._certificate(self._name, self._key.public_key(), days=1)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._own = builder.sign(self._key, hashes.SHA256())

    def write(self, file: Path) -> None:
        """Write the certificate of the authority."""
        file.write_bytes(self._own.public_bytes(_PEM))

    def issue(self, file: Path, name: str, address: str | None = None, *, days: float = 1) -> None:
        """Write a certificate for a name, and for an IP address, to ``<file>.pem``, and its key to ``<file>.key``.

        ``days`` is its lifetime; a negative one ended in the past.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._certificate(_named(name), key.public_key(), days)
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key_file, certificate_file = file.with_suffix(".key"), file.with_suffix(".pem")
        key_file.unlink(missing_ok=True)
        key_file.touch(mode=0o600)
        key_file.write_bytes(private)
        certificate_file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def _certificate(self, name: x509.Name, key: ec.EllipticCurvePublicKey, days: float) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=7))
            .not_valid_after(now + timedelta(days=days))
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
