"""Buckets, and directories in their place, by address: s3://, gs:// and az:// with the credentials and endpoints of
the environment, and file://.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import obstore
import obstore.exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from stenod_server.errors import InvalidField, MediaNotFound, StenodError, StoreUnavailable
from stenod_server.fetch import uri_rules
from stenod_server.object_store.kinds import SCHEMES as BUCKET_SCHEMES
from stenod_server.object_store.kinds import open_object_store
from stenod_server.object_store.streams import put_stream

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore.store import ClientConfig, RetryConfig

CHUNK_BYTES: Final = 1024 * 1024
_LISTED: Final = 1000
_RETRIES: Final["RetryConfig"] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_CLIENT: Final["ClientConfig"] = {
    "timeout": timedelta(seconds=300),
    "read_timeout": timedelta(seconds=30),
}
SCHEMES: Final = (*BUCKET_SCHEMES, "file")


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object of a listing. `key` is relative to the place that was listed; `version` is its version's id where the
    bucket keeps versions, else its ETag: another one means another content.
    """

    key: str
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in a bucket: what stands below `prefix`, by keys relative to it. `url` ends in no slash.

    Any call may raise StoreUnavailable (passing), MediaNotFound (not there, or not for these credentials).
    """

    url: str
    scheme: str
    prefix: str
    store: ObjectStore

    def url_of(self, key: str) -> str:
        """Its address; of a file percent-encoded, of an object as it stands."""
        return f"{self.url}/{quote(key)}" if self.scheme == "file" else f"{self.url}/{key}"

    async def objects(self) -> AsyncIterator[FoundObject]:
        """Whatever order the store has; markers of directories are left out."""
        with _errors(self.url):
            async for page in obstore.list(self.store, prefix=self.prefix or None, chunk_size=_LISTED):
                for meta in page:
                    key = self._relative(meta["path"])
                    if key and not (meta["path"].endswith("/") or (meta["size"] == 0 and key.endswith("/"))):
                        version = meta.get("version") or meta.get("e_tag") or ""
                        yield FoundObject(key, meta["size"], version.strip('"'))

    async def head(self, key: str) -> FoundObject:
        with _errors(self.url_of(key)):
            meta = await obstore.head_async(self.store, self._path(key))
        return FoundObject(key, meta["size"], (meta.get("version") or meta.get("e_tag") or "").strip('"'))

    async def beginning(self, key: str, size_bytes: int) -> bytes | None:
        """The first bytes of an object; None where there is none, or none that may be read."""
        with suppress(MediaNotFound), _errors(self.url_of(key)):
            return bytes(await obstore.get_range_async(self.store, self._path(key), start=0, length=size_bytes))
        return None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Piece by piece."""
        with _errors(self.url_of(key)):
            found = await obstore.get_async(self.store, self._path(key))
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Whole or not at all, in place of what is there; what `chunks` raises passes through."""
        with _errors(self.url_of(key), is_passing=True):
            await put_stream(self.store, self._path(key), chunks)

    async def delete(self, key: str) -> None:
        """Also where there is none."""
        with suppress(MediaNotFound), _errors(self.url_of(key)):
            await obstore.delete_async(self.store, self._path(key))

    async def signed(self, key: str, valid: timedelta) -> str:
        """An address that anybody may read the object at for so long. Raises InvalidField for a directory."""
        if not isinstance(self.store, S3Store | GCSStore | AzureStore):
            raise InvalidField("via", f"{self.scheme}:// addresses cannot be presigned")
        with _errors(self.url_of(key)):
            return await obstore.sign_async(self.store, "GET", self._path(key), valid)

    def _path(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self.prefix}/") if self.prefix else path


@contextmanager
def _errors(address: str, *, is_passing: bool = False) -> Iterator[None]:
    """What the libraries say is not passed on: it may repeat signatures. What stenod's own streams raise is.

    `is_passing`: also what is not there, or not for these credentials, may be so in a while.
    """
    try:
        yield
    except StenodError:
        raise
    except FileNotFoundError as error:
        raise (StoreUnavailable if is_passing else MediaNotFound)(f"{address} does not exist") from error
    except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError) as error:
        problem = f"{address} may not be used with these credentials"
        raise (StoreUnavailable if is_passing else MediaNotFound)(problem) from error
    except (obstore.exceptions.BaseError, OSError) as error:
        raise StoreUnavailable(f"{address} cannot be reached") from error


def open_bucket(url: str, field: str = "url", *, create: bool = False) -> Bucket:
    """What stands at an address, without touching the network; `create`: also a directory that is not there yet.

    Raises InvalidField.
    """
    uri_rules.check(url, field)
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in SCHEMES or not rest:
        raise InvalidField(field, f"must begin with one of {', '.join(f'{one}://' for one in SCHEMES)}")
    if scheme == "file":
        path = Path(unquote(rest.removeprefix("localhost")))
        if not path.is_absolute():
            raise InvalidField(field, "file:// addresses have no host: file:///path")
        with _opening(field, url):
            return Bucket(path.as_uri().rstrip("/"), scheme, "", LocalStore(path, mkdir=create))
    name, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if "?" in rest or "#" in rest or not name:
        raise InvalidField(field, f"{scheme}:// addresses are BUCKET/PREFIX, without query and fragment")
    with _opening(field, url):
        store = open_object_store(scheme, name, client=_CLIENT, retries=_RETRIES)
        return Bucket(f"{scheme}://{name}{f'/{prefix}' if prefix else ''}", scheme, prefix, store)


@contextmanager
def _opening(field: str, url: str) -> Iterator[None]:
    """What a store says of an address or of the environment before it is asked anything."""
    try:
        yield
    except (obstore.exceptions.BaseError, OSError, ValueError) as error:
        raise InvalidField(field, f"{url} cannot be opened with this environment") from error
