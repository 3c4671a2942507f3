"""Signing keys in files: made once, readable by their owner only.

The one rule: a key that is there is never replaced, and one that is made is whole on the disk before it is used.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from earshot.errors import ConfigurationError

LEDGER_KEY = "ledger.pem"
VCON_KEY = "vcon.pem"
RSA_BITS = 3072
CERTIFICATE_DAYS = 3650


def ledger_key(path: Path, *, make: bool) -> Ed25519PrivateKey:
    """The Ed25519 key in that PEM file; with `make` one is made where there is no file.

    Raises ConfigurationError when there is none or it is no such key.
    """
    if make and not path.exists():
        _write_once(path, lambda: _pem(Ed25519PrivateKey.generate()))
    found = _private(path)
    if not isinstance(found, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} holds no Ed25519 key")
    return found


def vcon_key(path: Path, name: str) -> tuple[rsa.RSAPrivateKey, list[x509.Certificate]]:
    """The RSA key in that PEM file with its certificates, its own first; where there is no file, one is made with a
    certificate that it signed itself for the DNS name `name`. Raises ConfigurationError."""
    if not path.exists():
        _write_once(path, lambda: _self_signed(name))
    found = _private(path)
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as why:
        raise ConfigurationError(f"{path} holds no certificate: {why}") from None
    if not isinstance(found, rsa.RSAPrivateKey) or chain[0].public_key() != found.public_key():
        raise ConfigurationError(f"{path} holds no RSA key with the certificate of it first")
    return found, chain


def _private(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as why:
        raise ConfigurationError(f"the key {path} cannot be read: {why.strerror}") from None
    except (ValueError, TypeError) as why:
        raise ConfigurationError(f"{path} holds no private key without a password: {why}") from None


def _pem(key: Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _self_signed(name: str) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name[:64])])
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _write_once(path: Path, made: Callable[[], bytes]) -> None:
    """Make the file, whole or not at all; another process that was quicker wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, made())
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
