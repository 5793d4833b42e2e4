"""`OutputBuckets`: the prefixes of buckets that results may be put below."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import quote

from stenod_server.domain.uri import shown
from stenod_server.errors import FetchRefused, InvalidField
from stenod_server.fetch import uri_rules
from stenod_server.fetch.buckets import Bucket, open_bucket
from stenod_server.object_store.kinds import SCHEMES as BUCKET_SCHEMES

SETTING: Final = "output_buckets"
_TENANT: Final = "{tenant}"

# A scheme, a bucket, and the names on the way to an object.
_Place = tuple[str, ...]


class OutputBuckets:
    """Implements `ports.ResultBuckets`. A result may be put below a prefix, name by name: `s3://b/out` opens
    `s3://b/out/x` and neither `s3://b/out-2/x` nor `s3://b/out`. `{tenant}` in a prefix stands for the tenant of the
    job, as one name.
    """

    def __init__(self, prefixes: Sequence[str]) -> None:
        """Raises ValueError for a value of the setting that is no prefix."""
        self._prefixes = tuple(map(_prefix, prefixes))
        self._buckets: dict[tuple[str, str], Bucket] = {}  # as many as there are buckets in the setting

    def check(self, field: str, url: str, tenant: str) -> None:
        self._place(field, url, tenant)

    async def put(self, url: str, tenant: str, chunks: AsyncIterator[bytes]) -> None:
        scheme, name, *names = self._place("output", url, tenant)
        if (scheme, name) not in self._buckets:
            self._buckets[scheme, name] = open_bucket(f"{scheme}://{name}", SETTING)
        await self._buckets[scheme, name].put("/".join(names), chunks)

    def _place(self, field: str, url: str, tenant: str) -> _Place:
        uri_rules.check(url, field)
        place = _split(field, url)
        mine = quote(tenant, safe="")
        prefixes = (tuple(name.replace(_TENANT, mine) for name in prefix) for prefix in self._prefixes)
        if not any(len(place) > len(prefix) and place[: len(prefix)] == prefix for prefix in prefixes):
            problem = f"{shown(url)} is below no prefix that results of this caller may be put in"
            raise FetchRefused(field, problem, setting=SETTING)
        return place


def _prefix(text: str) -> _Place:
    try:
        return _split(SETTING, text.removesuffix("/"))
    except InvalidField as error:
        message = f"{SETTING}: {error.problem}"
        raise ValueError(message) from error


def _split(field: str, url: str) -> _Place:
    """Raises InvalidField."""
    try:
        scheme, bucket, path = uri_rules.parts(url)
        names = uri_rules.names(path) if path else ()
    except InvalidField as error:
        raise InvalidField(field, error.problem) from error
    if scheme not in BUCKET_SCHEMES or not bucket:
        raise InvalidField(field, f"must be {', '.join(f'{one}://' for one in BUCKET_SCHEMES)} BUCKET/PREFIX")
    return (scheme, bucket, *names)
