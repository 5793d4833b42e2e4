"""What callers show: API keys of a real file, tokens of a real issuer over HTTP, certificates of a real CA."""

import base64
import functools
import hmac
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc
import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

import stenod
from stenod_server.access.access_file import KeyEntry
from stenod_server.access.key_file import add_key
from stenod_server.access.keys import hash_of, new_key
from tests.support.origin import Origin, media, running_origin

AUDIENCE: Final = "stenod"
SigningKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_DISCOVERY: Final = "/.well-known/openid-configuration"
_KEYS: Final = "/keys"


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The same name is the same key: they take long to make."""
    del name
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    del name
    return ec.generate_private_key(ec.SECP256R1())


def make_key(
    path: Path, tenant: str = "newsroom", scopes: Sequence[str] = ("read", "submit"), expires: datetime | None = None
) -> str:
    """A new key of this access file."""
    key, key_id = new_key()
    add_key(
        path,
        KeyEntry.model_validate(
            {"id": key_id, "tenant": tenant, "hash": hash_of(key), "scopes": list(scopes), "expires": expires}
        ),
    )
    return key


@dataclass(slots=True)
class Issuer:
    """An issuer of tokens. `keys` by their ids are what it publishes; `origin.asked` says who has asked for them."""

    origin: Origin
    keys: dict[str, SigningKey] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.origin.url("")

    @property
    def jwks_url(self) -> str:
        return self.origin.url(_KEYS)

    @property
    def times_asked(self) -> int:
        """How often its keys have been fetched."""
        return sum(asked.path == _KEYS for asked in self.origin.asked)

    @property
    def settings(self) -> dict[str, Any]:
        """Of a node that trusts it."""
        return {"oidc_issuer": self.url, "oidc_audience": AUDIENCE}

    def publish(self, **keys: SigningKey) -> None:
        """These, and no others."""
        self.keys = keys
        jwks = {"keys": [public_jwk(key) | {"kid": name, "use": "sig"} for name, key in keys.items()]}
        discovery = {"issuer": self.url, "jwks_uri": self.jwks_url}
        self.origin.answers[_KEYS] = media(json.dumps(jwks).encode())
        self.origin.answers[_DISCOVERY] = media(json.dumps(discovery).encode())

    def claims(
        self, tenant: str = "newsroom", scope: str = "stenod:read stenod:submit", **changes: Any
    ) -> dict[str, Any]:
        """Of a good token; a claim that is changed to None is left out."""
        now = int(time.time())
        plain = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "tenant": tenant, "scope": scope}
        claims = plain | {"iat": now, "exp": now + 600} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, *, kid: str = "one", key: SigningKey | str | None = None, algorithm: str = "RS256", **claims: Any
    ) -> str:
        """Signed with the published key of that id, or with the one that is given."""
        return jwt.encode(self.claims(**claims), key=key or self.keys[kid], algorithm=algorithm, headers={"kid": kid})

    def unsigned(self, **claims: Any) -> str:
        """With `alg: none`."""
        return jwt.encode(self.claims(**claims), key="", algorithm="none", headers={"kid": "one"})

    def forged(self, **claims: Any) -> str:
        """Signed with a secret that everybody knows: the public key, as HS256 would have it."""
        secret = self.keys["one"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        parts = [{"alg": "HS256", "typ": "JWT", "kid": "one"}, self.claims(**claims)]
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)  # PyJWT refuses to make such a one
        return f"{signed}.{_base64url(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """On loopback, with one RSA key called `one`."""
    async with running_origin() as origin:
        issuer = Issuer(origin)
        issuer.publish(one=rsa_key("one"))
        yield issuer


def public_jwk(key: SigningKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


@dataclass(frozen=True, slots=True)
class TlsFolder:
    """PEM files in a directory, as an operator has them."""

    directory: Path

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    def write_ca(self, authority: trustme.CA) -> Path:
        authority.cert_pem.write_to_path(self.ca_file)
        return self.ca_file

    def write(self, name: str, issued: trustme.LeafCert) -> tuple[Path, Path]:
        """The chain and the key; each is replaced at once where it is there."""
        chain, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        _replace(chain, b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        _replace(key, issued.private_key_pem.bytes())
        return chain, key

    def client(self, name: str = "") -> grpc.ChannelCredentials:
        """Trusts the CA that was written; shows the certificate of that name, or none."""
        cert, key = (self.directory / f"{name}.pem", self.directory / f"{name}.key") if name else (None, None)
        return stenod.tls(ca_file=self.ca_file, cert_file=cert, key_file=key)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(data)
    part.replace(path)
