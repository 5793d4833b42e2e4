"""What stands in the output already, and the writing of what does not.

The result in JSON is written last and says in its first line which version of which recording it is of: where it
stands, its recording is done, and where it does not, or is of another version, it is not. Nothing else is remembered.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from stenod_server.cli.bulk.items import Item
from stenod_server.cli.bulk.outcomes import Outcome, State
from stenod_server.errors import MediaNotFound
from stenod_server.fetch.buckets import Bucket
from stenod_server.text.render import TranscriptFormat
from stenod_server.text.sources import HEAD_BYTES, read_source, with_source

if TYPE_CHECKING:
    import stenod

INDEX_NAME: Final = "_index.jsonl"


class Ledger:
    """Results below `target`, in `forms` and always in JSON. `load` lists them once, where there are many questions."""

    def __init__(self, target: Bucket, forms: Sequence[TranscriptFormat]) -> None:
        self._target = target
        self._others = [form for form in dict.fromkeys(forms) if form is not TranscriptFormat.JSON]
        self._there: frozenset[str] | None = None

    async def load(self) -> None:
        """Raises StoreUnavailable, MediaNotFound."""
        self._there = frozenset([found.key async for found in self._target.objects()])

    async def done(self, item: Item) -> Outcome | None:
        """What an earlier run has done; None: it is still to be done."""
        if self._there is not None and _object_of(item, TranscriptFormat.JSON) not in self._there:
            return None
        head = await self._target.beginning(_object_of(item, TranscriptFormat.JSON), HEAD_BYTES)
        source = read_source(head or b"")
        if source is None or source.get("identity") != item.identity:
            return None
        if not all([await self._has(_object_of(item, form)) for form in self._others]):
            return None
        return Outcome(item=item, state=State.DONE, job_id=str(source.get("job_id", "")), was_there=True)

    async def _has(self, key: str) -> bool:
        return await self._target.beginning(key, 1) is not None if self._there is None else key in self._there

    async def write(self, client: "stenod.Client", item: Item, job_id: str) -> None:
        """Raises stenod.StenodError, StoreUnavailable."""
        for form in self._others:
            await self._target.put(_object_of(item, form), _encoded(client, job_id, form))
        pieces = with_source(_encoded(client, job_id, TranscriptFormat.JSON), item.source(job_id))
        await self._target.put(_object_of(item, TranscriptFormat.JSON), pieces)


class Index:
    """`_index.jsonl`: a line for each recording, in order of the listing; while a run lasts, up to the first that has
    not ended. Of a run over a list of keys, the lines of all others are kept.
    """

    def __init__(self, place: Bucket, name: str = INDEX_NAME) -> None:
        self._place = place
        self._name = name
        self._written = -1
        self._kept: Sequence[Mapping[str, Any]] = ()

    async def keep_others(self, keys: frozenset[str]) -> None:
        """Raises StoreUnavailable."""
        with suppress(MediaNotFound):  # there is no index yet
            text = b"".join([piece async for piece in self._place.read(self._name)]).decode()
            self._kept = [line for line in map(json.loads, text.splitlines()) if line["key"] not in keys]

    @property
    def url(self) -> str:
        return self._place.url_of(self._name)

    async def write(self, outcomes: Sequence[Outcome | None]) -> None:
        """Raises StoreUnavailable."""
        ended = leading(outcomes)
        if len(ended) != self._written:
            told = [*self._kept, *(outcome.as_json() for outcome in ended)]
            await self._place.put(self._name, _lines(sorted(told, key=lambda line: line["key"])))
            self._written = len(ended)


def leading(outcomes: Sequence[Outcome | None]) -> Sequence[Outcome]:
    """Those before the first that has not ended."""
    ended: list[Outcome] = []
    for outcome in outcomes:
        if outcome is None:
            break
        ended.append(outcome)
    return ended


def _object_of(item: Item, form: TranscriptFormat) -> str:
    return f"{item.name}.{form}"


async def _encoded(client: "stenod.Client", job_id: str, form: TranscriptFormat) -> AsyncIterator[bytes]:
    async for piece in client.rendered(job_id, form.value):
        yield piece.encode()


async def _lines(told: Sequence[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    for line in told:
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"
