"""How callers are told apart."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcOptions:
    """An issuer of tokens. `jwks_url` empty: where its discovery document says."""

    issuer: str
    audience: str
    jwks_url: str = ""
    tenant_claim: str = "tenant"
    clock_skew_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files in PEM (settings `tls_cert_file`, `tls_key_file`, `tls_client_ca_file`). With CAs callers must show a
    certificate of theirs.
    """

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """None of them: everybody may call."""

    access_file: Path | None = None
    oidc: OidcOptions | None = None
