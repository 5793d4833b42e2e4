"""Who callers are."""

from typing import Protocol

from stenod_server.domain.access import Credentials, Principal


class Authenticator(Protocol):
    """Tells who a caller is."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Raises Unauthenticated; Unavailable where the keys to verify a token cannot be fetched."""
        ...
