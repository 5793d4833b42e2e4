"""Recordings of a listing, in its order, and what their results are called."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Final

from stenod_server.errors import InvalidField
from stenod_server.fetch.buckets import Bucket, FoundObject

_IDENTITY_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class Item:
    """One recording. `key` is relative to the place that was listed; `name` is what its results are called there, but
    for their endings. `identity` is the same as long as version and configuration are: another one is other work.
    """

    key: str
    uri: str
    version: str
    size_bytes: int
    name: str
    identity: str

    @property
    def file_name(self) -> str:
        return PurePosixPath(self.key).name

    def source(self, job_id: str) -> Mapping[str, Any]:
        """What its result says of it."""
        return {
            "uri": self.uri,
            "version": self.version,
            "size_bytes": self.size_bytes,
            "identity": self.identity,
            "job_id": job_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which objects of a listing are wanted: patterns of the shell over the whole key, `*` also for slashes. `only`:
    none but these keys. Those of `but_below` are no recordings: it is where the results go.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    only: frozenset[str] | None = None
    but_below: str = ""

    def takes(self, key: str) -> bool:
        if self.only is not None and key not in self.only:
            return False
        if self.but_below and key.startswith(f"{self.but_below}/"):
            return False
        is_included = not self.include or any(fnmatchcase(key, pattern) for pattern in self.include)
        return is_included and not any(fnmatchcase(key, pattern) for pattern in self.exclude)


async def list_items(source: Bucket, selection: Selection, config: Mapping[str, Any]) -> list[Item]:
    """In order of their keys. Raises StoreUnavailable, MediaNotFound."""
    found = await _sorted(source.objects())
    names = result_names([one.key for one in found])
    return [
        make_item(source.url_of(one.key), one, name, config)
        for one, name in zip(found, names, strict=True)
        if selection.takes(one.key)
    ]


def make_item(uri: str, found: FoundObject, name: str, config: Mapping[str, Any]) -> Item:
    return Item(found.key, uri, found.version, found.size_bytes, name, identity(uri, found.version, config))


def identity(uri: str, version: str, config: Mapping[str, Any]) -> str:
    said = json.dumps([uri, version, config], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:_IDENTITY_CHARACTERS]


def result_names(keys: Iterable[str]) -> list[str]:
    """Each key without its ending; with it where another key would have the same name."""
    whole = list(keys)
    stems = [str(PurePosixPath(key).with_suffix("")) for key in whole]
    count = Counter(stems)
    return [key if count[stem] > 1 else stem for key, stem in zip(whole, stems, strict=True)]


def place_below(source: Bucket, target: Bucket) -> str:
    """Where the target is in the source, as a key; empty where it is elsewhere. Raises InvalidField for the same place:
    results would be taken for recordings.
    """
    if source.url == target.url:
        raise InvalidField("--to", f"{target.url} is where the recordings are; name a place beside or below it")
    return target.url.removeprefix(f"{source.url}/") if target.url.startswith(f"{source.url}/") else ""


async def _sorted(objects: AsyncIterator[FoundObject]) -> list[FoundObject]:
    return sorted([one async for one in objects], key=lambda one: one.key)
