"""The public keys of a token issuer (JWKS): fetched, kept, and fetched again when they are old or a new one is used."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx
import jwt
import structlog

from stenod_server.access.options import OidcOptions
from stenod_server.access.refusal import refused
from stenod_server.errors import Unavailable
from stenod_server.ports import Clock

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
# What signs with a private key and is verified with a public one; nothing else is ever accepted.
ALGORITHMS: Final = frozenset({*_RSA, "ES256", "ES384", "ES512", "EdDSA"})

REFRESH_S: Final = 600.0  # keys are fetched again so often
RETRY_S: Final = 10.0  # and not more often than this, whatever callers send
STALE_S: Final = 24 * 3600.0  # so long they are used while the issuer does not answer
FETCH_S: Final = 5.0
MAX_DOCUMENT_BYTES: Final = 1024 * 1024
_log = structlog.get_logger()


class KeySet:
    """The keys of one issuer, by key id and algorithm."""

    def __init__(self, options: OidcOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._keys: Mapping[tuple[str, str], jwt.PyJWK] = {}
        self._fetched_s = float("-inf")
        self._tried_s = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str, algorithm: str) -> jwt.PyJWK:
        """The key that a token names. Raises Unauthenticated: the issuer has no such key; Unavailable: its keys cannot
        be had.
        """
        if self._age_s() > REFRESH_S or (key_id, algorithm) not in self._keys:
            await self._refresh(needed=(key_id, algorithm) not in self._keys)
        if self._age_s() > STALE_S:
            raise Unavailable("the keys of the token issuer cannot be fetched")
        try:
            return self._keys[key_id, algorithm]
        except KeyError:
            raise refused("unknown signing key", kid=key_id[:128], alg=algorithm) from None

    async def _refresh(self, *, needed: bool) -> None:
        """Fetch, one call at a time. Those who have a key already do not wait for one who fetches."""
        if self._lock.locked() and not needed:
            return
        async with self._lock:
            if self._clock.monotonic_s() - self._tried_s < RETRY_S:
                return
            self._tried_s = self._clock.monotonic_s()
            try:
                self._keys = _usable(await self._fetch())
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, TypeError, KeyError) as error:
                _log.warning("token_keys_not_fetched", issuer=self._options.issuer, problem=repr(error))
                return
            self._fetched_s = self._clock.monotonic_s()
            _log.info("token_keys_fetched", issuer=self._options.issuer, keys=sorted({kid for kid, _ in self._keys}))

    async def _fetch(self) -> Any:
        async with httpx.AsyncClient(timeout=FETCH_S) as client, asyncio.timeout(FETCH_S):
            url = self._options.jwks_url
            if not url:
                discovery = f"{self._options.issuer.rstrip('/')}/.well-known/openid-configuration"
                document = await _json(client, discovery)
                if document["issuer"] != self._options.issuer:
                    message = f"{discovery} is of another issuer: {document['issuer']!r}"
                    raise ValueError(message)
                url = document["jwks_uri"]
            return await _json(client, url)

    def _age_s(self) -> float:
        return self._clock.monotonic_s() - self._fetched_s


async def _json(client: httpx.AsyncClient, url: str) -> Any:
    """Redirects are not followed: an issuer says where its keys are."""
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                message = f"{url} gives more than {MAX_DOCUMENT_BYTES} bytes"
                raise ValueError(message)
    return httpx.Response(200, content=bytes(body)).json()


def _usable(document: Any) -> Mapping[tuple[str, str], jwt.PyJWK]:
    """The keys that sign, of the kinds we know. Raises ValueError where there is none: such an answer is a fault."""
    signing = [data for data in document["keys"] if isinstance(data, dict) and data.get("use", "sig") == "sig"]
    keys = dict(_each_use(signing))
    if not keys:
        message = "no key that signs with a known algorithm"
        raise ValueError(message)
    return keys


def _each_use(signing: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], jwt.PyJWK]]:
    """Each key under its id and each algorithm it may be used with."""
    for data in signing:
        for algorithm in _algorithms(data):
            try:
                yield (str(data.get("kid", "")), algorithm), jwt.PyJWK(dict(data), algorithm)
            except jwt.PyJWTError as error:
                _log.warning("token_key_not_used", kid=data.get("kid"), problem=repr(error))


def _algorithms(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the key's kind; where the issuer names one, that alone."""
    match data.get("kty"):
        case "RSA":
            fitting: tuple[str, ...] = _RSA
        case "EC":
            fitting = _CURVES.get(data.get("crv", ""), ())
        case "OKP":
            fitting = ("EdDSA",)
        case _:
            fitting = ()
    return tuple(each for each in fitting if data.get("alg", each) == each)
