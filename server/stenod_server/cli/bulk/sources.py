"""Recordings that are named one by one: addresses of objects, of all below a prefix, of the web; and files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from stenod_server.cli.bulk.items import Item, Selection, list_items, make_item, place_below, result_names
from stenod_server.errors import InvalidField
from stenod_server.fetch.buckets import Bucket, FoundObject, open_bucket
from stenod_server.object_store.kinds import SCHEMES as BUCKET_SCHEMES

_WEB: Final = ("http", "https")


async def find_items(sources: Sequence[str], target: Bucket, config: Mapping[str, Any]) -> list[Item]:
    """In the order of the sources; what is below a prefix (an address that ends in a slash) in order of its keys, but
    for results.

    Raises InvalidField, MediaNotFound (there is none), StoreUnavailable.
    """
    items = [item for source in sources for item in await _items(source, target, config)]
    names = result_names([item.name for item in items])
    if len(set(names)) != len(names):
        raise InvalidField("SOURCE", "two of them would have the same name in the output")
    return [_named(item, name) for item, name in zip(items, names, strict=True)]


async def _items(source: str, target: Bucket, config: Mapping[str, Any]) -> list[Item]:
    """Named with their endings still on."""
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in _WEB:
        name = unquote(urlsplit(source).path.rpartition("/")[2]) or "media"
        return [make_item(source, FoundObject(name, 0, ""), name, config)]
    if scheme in BUCKET_SCHEMES and source.endswith("/"):
        prefix = open_bucket(source, "SOURCE")
        found = await list_items(prefix, Selection(but_below=place_below(prefix, target)), config)
        return [_named(item, item.key) for item in found]
    if scheme in {*BUCKET_SCHEMES, "file"}:
        parent, _, name = source.rpartition("/")
        name = unquote(name) if scheme == "file" else name
    elif scheme:
        raise InvalidField("SOURCE", f"{scheme}:// is no address that can be read")
    else:
        parent, name = _file(source)
    bucket = open_bucket(parent, "SOURCE")
    return [make_item(bucket.url_of(name), await bucket.head(name), name, config)]


def _file(path: str) -> tuple[str, str]:
    whole = Path(path).expanduser().resolve()
    return whole.parent.as_uri(), whole.name


def _named(item: Item, name: str) -> Item:
    return Item(item.key, item.uri, item.version, item.size_bytes, name, item.identity)


def opened_for(items: Sequence[Item]) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The buckets and directories that a node must read for them: fetch_buckets and fetch_file_roots."""
    buckets, roots = set(), set()
    for item in items:
        scheme, _, rest = item.uri.partition("://")
        if scheme in BUCKET_SCHEMES:
            buckets.add(f"{scheme}://{rest.partition('/')[0]}")
        elif scheme == "file":
            roots.add(Path(unquote(rest)).parent)
    return tuple(sorted(buckets)), tuple(sorted(roots))
