"""Which credentials count: the bearer by what it looks like, else the certificate."""

from collections.abc import Callable

from stenod_server.access import keys, tokens
from stenod_server.access.access_file import AccessTable, read_access_file
from stenod_server.access.certificates import certificate_holder
from stenod_server.access.key_set import KeySet
from stenod_server.access.options import AccessOptions
from stenod_server.access.refusal import refused
from stenod_server.access.tokens import Tokens
from stenod_server.access.watched import WatchedFiles
from stenod_server.domain.access import ANYBODY, Credentials, Principal
from stenod_server.ports import Authenticator, Clock

_EMPTY = AccessTable({}, {})


class Everybody:
    """Where authentication is off."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        del credentials
        return ANYBODY


class CredentialChain:
    """Looks at one kind of credentials of each caller. A bearer goes first, because a certificate may be the mesh's."""

    def __init__(self, table: Callable[[], AccessTable], issued: Tokens | None, clock: Clock) -> None:
        self._table = table
        self._tokens = issued
        self._clock = clock

    async def authenticate(self, credentials: Credentials) -> Principal:
        bearer = credentials.bearer
        if keys.is_key(bearer):
            return keys.key_holder(self._table(), bearer, now=self._clock.now())
        if self._tokens and tokens.is_token(bearer):
            return await self._tokens.holder(bearer)
        if bearer:
            raise refused("neither a key nor a token")
        return certificate_holder(self._table(), credentials.certificate_names)


def open_authenticator(options: AccessOptions, clock: Clock) -> Authenticator:
    """Raises InvalidField for an access file that is no good."""
    path, oidc = options.access_file, options.oidc
    if path is None and oidc is None:
        return Everybody()
    table: Callable[[], AccessTable] = lambda: _EMPTY  # noqa: E731  as short as a constant may be
    if path:
        table = WatchedFiles([path], lambda: read_access_file(path), monotonic_s=clock.monotonic_s).current
    return CredentialChain(table, Tokens(oidc, KeySet(oidc, clock)) if oidc else None, clock)
