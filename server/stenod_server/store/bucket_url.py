"""The bucket of the setting `blob_url`: s3://, gs:// or az://, with the environment's credentials and endpoints."""

import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
import obstore.exceptions
from obstore.store import ObjectStore

from stenod_server.errors import InvalidField, StoreUnavailable
from stenod_server.object_store.kinds import SCHEMES, open_object_store
from stenod_server.store.bucket_faults import Trouble, trouble_of

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore.store import ClientConfig, RetryConfig

# A bucket that is away is told in seconds: what waits for it waits where it can be seen, not in here.
_RETRIES: Final["RetryConfig"] = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2},
}
_CLIENT: Final["ClientConfig"] = {
    "connect_timeout": timedelta(seconds=3),
    "read_timeout": timedelta(seconds=10),  # without a byte; a part is some MiB
    "timeout": timedelta(hours=1),  # of one request with all of its answer: of a large recording
}
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._=-]+")
_PROBE: Final = b"stenod was here to see whether it may write"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in a bucket. `address` may be shown: there is no secret in it."""

    address: str
    _scheme: str
    _name: str
    _prefix: str

    def below(self, name: str) -> ObjectStore:
        """What stands below PREFIX/name, by keys relative to that. Raises InvalidField."""
        prefix = f"{self._prefix}/{name}" if self._prefix else name
        try:
            return open_object_store(self._scheme, self._name, prefix=prefix, client=_CLIENT, retries=_RETRIES)
        except (obstore.exceptions.BaseError, OSError, ValueError) as error:
            problem = f"{self.address} cannot be opened with the credentials and endpoints of this environment"
            raise InvalidField("blob_url", problem) from error

    async def check(self) -> None:
        """Whether this node may list, write, read and delete there. Raises InvalidField, and StoreUnavailable where
        nobody answers.
        """
        store, key = self.below("checks"), uuid.uuid4().hex
        asked = ""
        try:
            asked = "list"  # first: it alone tells a bucket that is missing from an object that is
            await obstore.list(store, chunk_size=1).collect_async()
            asked = "write"
            await obstore.put_async(store, key, _PROBE)
            asked = "read"
            await (await obstore.get_async(store, key)).bytes_async()
            asked = "delete"
            await obstore.delete_async(store, key)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise self._problem(error, asked) from error

    def _problem(self, error: Exception, asked: str) -> InvalidField | StoreUnavailable:
        trouble, told = trouble_of(error)
        match trouble:
            case Trouble.AWAY:
                return StoreUnavailable(f"blob_url: {self.address} cannot be reached: {told}")
            case Trouble.DENIED:
                problem = f"these credentials may not {asked} there"
            case Trouble.MISSING:
                problem = "there is no such bucket"
            case _:
                problem = f"it cannot be used: to {asked} failed"
        return InvalidField("blob_url", f"{self.address}: {problem} ({told})")


def parse_bucket(url: str) -> Bucket:
    """The value of `blob_url`, without touching the network. Raises InvalidField."""
    scheme, separator, rest = url.partition("://")
    name, _, prefix = rest.partition("/")
    names = prefix.removesuffix("/").split("/") if prefix.strip("/") else []
    if scheme not in SCHEMES or not separator:
        raise InvalidField("blob_url", "must be s3://, gs:// or az:// with BUCKET/PREFIX")
    if not _BUCKET.fullmatch(name):  # nor a user and password before it
        raise InvalidField("blob_url", "its bucket is not the name of one")
    if not all(_NAME.fullmatch(part) for part in names):
        raise InvalidField("blob_url", "its prefix must be names of letters, digits, '.', '_', '=' or '-', with '/'")
    return Bucket(f"{scheme}://{'/'.join((name, *names))}", scheme, name, "/".join(names))
