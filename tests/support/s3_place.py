"""Places of an S3 server that several tests share: one bucket, and a prefix of its own for each test.

One bucket, because each takes several of the few volumes that the server of tests has.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import obstore
from obstore.store import S3Store

from tests.support.seaweed import S3Server

BUCKET = "tests"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class S3Place:
    """Nothing is there at first. Keys are relative to it; `store` is how a test looks into it."""

    prefix: str
    server: S3Server
    store: S3Store = field(repr=False)

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}"

    def beside(self, ending: str) -> "S3Place":
        """The place whose name is the same and this ending."""
        return _place(self.server, f"{self.prefix}{ending}")

    async def versions(self) -> list[str]:
        """Of what is there now."""
        return sorted([str(meta["e_tag"]) async for page in obstore.list(self.store) for meta in page])

    async def put(self, objects: Mapping[str, bytes]) -> None:
        for key, data in objects.items():
            await obstore.put_async(self.store, key, data)

    async def read(self, key: str) -> bytes:
        return bytes(await (await obstore.get_async(self.store, key)).bytes_async())

    async def delete(self, key: str) -> None:
        await obstore.delete_async(self.store, key)

    async def keys(self) -> list[str]:
        return sorted([meta["path"] async for page in obstore.list(self.store) for meta in page])


def place(server: S3Server, name: str = "place") -> S3Place:
    return _place(server, f"{name}-{next(_NUMBERS)}")


def _place(server: S3Server, prefix: str) -> S3Place:
    store = S3Store(
        BUCKET,
        prefix=prefix,
        endpoint=server.url,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    return S3Place(prefix, server, store)
