"""Objects in buckets: s3://, gs:// and az://, with the credentials and endpoints of this server's environment."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.store import ObjectStore

from stenod_server.domain.job import RemoteMedia
from stenod_server.domain.uri import shown
from stenod_server.errors import FetchRefused, InvalidField
from stenod_server.fetch import uri_rules
from stenod_server.fetch.faults import translated
from stenod_server.fetch.file_name import file_name
from stenod_server.fetch.options import FetchOptions
from stenod_server.object_store.kinds import SCHEMES, open_object_store
from stenod_server.ports import FetchedMedia

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore import GetResult
    from obstore.store import ClientConfig, RetryConfig

CHUNK_BYTES: Final = 1024 * 1024
_RETRIES: Final["RetryConfig"] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=30),
}  # the job is retried as well
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")

# A scheme, a bucket, and the names on the way to an object.
_Place = tuple[str, ...]


class ObjectSource:
    """Implements `source.Source`. An object may be read if its address begins with one of `options.buckets`, name by
    name: `s3://b/calls` opens `s3://b/calls/x.wav` and neither `s3://b/calls-2/x.wav` nor `s3://b/calls`. Keys are
    taken as they stand, not percent-decoded.
    """

    def __init__(self, options: FetchOptions) -> None:
        self._prefixes = _prefixes(options.buckets)
        self._client: ClientConfig = {
            "read_timeout": timedelta(seconds=options.stall_s),
            "timeout": timedelta(seconds=options.timeout_s),
        }
        self._stores: dict[tuple[str, str], ObjectStore] = {}  # as many as there are buckets in the settings

    def check(self, remote: RemoteMedia) -> None:
        self._place(remote)

    @asynccontextmanager
    async def open(self, remote: RemoteMedia) -> AsyncIterator[FetchedMedia]:
        scheme, bucket, *names = self._place(remote)
        address = shown(remote.uri)
        with translated(address):
            found = await obstore.get_async(self._store(scheme, bucket), "/".join(names))
        yield FetchedMedia(_read(found, address), size_bytes=found.meta["size"], file_name=file_name("", names[-1]))

    async def close(self) -> None:
        self._stores.clear()

    def _place(self, remote: RemoteMedia) -> _Place:
        if remote.headers:
            raise InvalidField("media.headers", "go with http(s) addresses only")
        place = _place(remote.uri)
        if not any(len(place) > len(prefix) and place[: len(prefix)] == prefix for prefix in self._prefixes):
            raise FetchRefused("media.uri", "this object is in no bucket that may be read", setting="fetch_buckets")
        return place

    def _store(self, scheme: str, bucket: str) -> ObjectStore:
        """Made when first needed: one without credentials must not keep a node from starting."""
        if (scheme, bucket) not in self._stores:
            self._stores[scheme, bucket] = open_object_store(scheme, bucket, client=self._client, retries=_RETRIES)
        return self._stores[scheme, bucket]


async def _read(found: "GetResult", address: str) -> AsyncIterator[bytes]:
    with translated(address):
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)


def _place(address: str) -> _Place:
    """Raises InvalidField."""
    scheme, bucket, path = uri_rules.parts(address)
    if not _BUCKET.fullmatch(bucket):
        raise InvalidField("media.uri", "its bucket is not the name of one")
    return (scheme, bucket, *(uri_rules.names(path) if path else ()))


def _prefixes(buckets: Sequence[str]) -> Sequence[_Place]:
    """The value of `fetch_buckets`. Raises ValueError."""
    try:
        prefixes = [_place(text.removesuffix("/")) for text in buckets]
    except InvalidField as error:
        message = f"fetch_buckets: {error.problem}"
        raise ValueError(message) from error
    if any(prefix[0] not in SCHEMES for prefix in prefixes):
        message = "fetch_buckets: not an s3://, gs:// or az:// prefix"
        raise ValueError(message)
    return prefixes
