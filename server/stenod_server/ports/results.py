"""Where results may be put: buckets that the operator names."""

from collections.abc import AsyncIterator
from typing import Protocol


class ResultBuckets(Protocol):
    """Objects are written whole or not at all, in place of what is there."""

    def check(self, field: str, url: str, tenant: str) -> None:
        """What can be refused without touching the network. Raises FetchRefused, InvalidField."""
        ...

    async def put(self, url: str, tenant: str, chunks: AsyncIterator[bytes]) -> None:
        """Checks anew: the settings may have changed since the job was accepted. Raises what `check` raises,
        StoreUnavailable, MediaNotFound (these credentials may not write there).
        """
        ...
