"""The server's certificate, its key, and the CAs of its callers: read from files, and checked before use."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from stenod_server.access.options import TlsFiles
from stenod_server.access.watched import WatchedFiles
from stenod_server.errors import InvalidField
from stenod_server.ports import Clock


@dataclass(frozen=True, slots=True)
class Identity:
    """What the files hold, in PEM. `client_ca` None: callers need no certificate."""

    certificate_chain: bytes
    private_key: bytes
    client_ca: bytes | None


def read_identity(files: TlsFiles) -> Identity:
    """Raises InvalidField, naming the setting, for files that cannot be read, or do not belong together."""
    chain = _read("tls_cert_file", files.cert_file)
    key = _read("tls_key_file", files.key_file)
    client_ca = _read("tls_client_ca_file", files.client_ca_file) if files.client_ca_file else None
    leaf = _certificates("tls_cert_file", files.cert_file, chain)[0]
    if client_ca is not None and files.client_ca_file:
        _certificates("tls_client_ca_file", files.client_ca_file, client_ca)
    if _spki(leaf.public_key()) != _spki(_public_key(files.key_file, key)):
        raise InvalidField("tls_key_file", f"{files.key_file} is not the key of the certificate in {files.cert_file}")
    return Identity(chain, key, client_ca)


def watch_identity(files: TlsFiles, clock: Clock) -> WatchedFiles[Identity]:
    """Certificates are renewed under a running server. Raises InvalidField."""
    return WatchedFiles(files.paths, lambda: read_identity(files), monotonic_s=clock.monotonic_s)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidField(setting, f"{path} cannot be read: {error.strerror}") from error


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise InvalidField(setting, f"{path} holds no certificate in PEM") from error


def _public_key(path: Path, pem: bytes) -> PublicKeyTypes:
    try:
        return load_pem_private_key(pem, password=None).public_key()
    except TypeError as error:
        raise InvalidField("tls_key_file", f"{path} is encrypted; give the key without a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidField("tls_key_file", f"{path} holds no private key in PEM") from error


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
