"""JSON Web Tokens of an OpenID Connect issuer: who the caller is, as the issuer says."""

from collections.abc import Mapping
from typing import Any, Final

import jwt

from stenod_server.access.access_file import is_tenant
from stenod_server.access.key_set import ALGORITHMS, KeySet
from stenod_server.access.options import OidcOptions
from stenod_server.access.refusal import refused
from stenod_server.domain.access import Principal, Scope

SCOPE_PREFIX: Final = "stenod:"
_REQUIRED: Final = ("exp", "iss", "aud")


def is_token(bearer: str) -> bool:
    """Whether this has the three parts of a signed token."""
    return bearer.count(".") == 2


class Tokens:
    """Verifies tokens."""

    def __init__(self, options: OidcOptions, keys: KeySet) -> None:
        self._options = options
        self._keys = keys

    async def holder(self, token: str) -> Principal:
        """Who the token is for. Raises Unauthenticated; Unavailable where the issuer's keys cannot be had."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise refused("not a token") from error
        # The algorithm is ours to choose: a token that asks for none, or for a secret that is in truth the issuer's
        # public key (HS256), is not looked at.
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise refused("algorithm", alg=str(algorithm)[:32])
        key = await self._keys.find(str(header.get("kid", "")), algorithm)
        return self._principal(self._claims(token, key))

    def _claims(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        try:
            return jwt.decode(
                token,
                key=key,
                algorithms=[key.algorithm_name],
                issuer=self._options.issuer,
                audience=self._options.audience,
                leeway=self._options.clock_skew_s,
                options={"require": list(_REQUIRED)},
            )
        except jwt.InvalidTokenError as error:
            raise refused("token", problem=type(error).__name__) from error

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        tenant = claims.get(self._options.tenant_claim)
        if not isinstance(tenant, str) or not is_tenant(tenant):
            raise refused("no tenant", claim=self._options.tenant_claim)
        return Principal(tenant, f"token:{claims.get('sub', '')}", _scopes(claims))


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    """`stenod:submit` and the like in `scope` (a string, RFC 8693) or `scp` (a list, or a string); the rest is not
    ours. A token without any is somebody who may do nothing.
    """
    granted: set[str] = set()
    for claim in ("scope", "scp"):
        value = claims.get(claim, ())
        granted.update(value.split() if isinstance(value, str) else value if isinstance(value, list) else ())
    return frozenset(scope for scope in Scope if f"{SCOPE_PREFIX}{scope}" in granted)
