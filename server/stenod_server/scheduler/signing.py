"""Signatures by which a receiver knows who calls: those of the Standard Webhooks specification. Pure."""

import base64
import hmac
from collections.abc import AsyncIterator, Sequence


class Signatures:
    """HMAC-SHA256 over `id.timestamp.body`, by each secret: while one is replaced by another, both sign. The body is
    fed piece by piece, so that it is never whole in memory.
    """

    def __init__(self, secrets: Sequence[bytes], delivery_id: str, timestamp_s: int) -> None:
        self._macs = [hmac.new(secret, f"{delivery_id}.{timestamp_s}.".encode(), "sha256") for secret in secrets]
        self.size_bytes = 0

    async def feed(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            self.size_bytes += len(chunk)
            for mac in self._macs:
                mac.update(chunk)

    @property
    def header(self) -> str:
        """The value of `webhook-signature`; empty without a secret."""
        return " ".join(f"v1,{base64.b64encode(mac.digest()).decode()}" for mac in self._macs)
