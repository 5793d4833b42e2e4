"""An order, from its words to its exit status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

import stenod
from stenod_server import errors
from stenod_server.cli.bulk import items, outcomes
from stenod_server.cli.bulk.items import Item, Selection
from stenod_server.cli.bulk.ledger import INDEX_NAME, Index, Ledger
from stenod_server.cli.bulk.runner import BulkParts, BulkRun, Halt
from stenod_server.cli.bulk.submitting import Submitter, Via
from stenod_server.cli.progress import BatchDisplay
from stenod_server.fetch.buckets import Bucket, open_bucket
from stenod_server.text.render import TranscriptFormat

_WAITING: Final = 4

Explain = Callable[[stenod.StenodError], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOrder:
    """What is asked for, as it was written. Places are addresses, or paths of this machine."""

    source: str
    target: str
    forms: Sequence[TranscriptFormat]
    via: str
    in_flight: int | None
    index: str | None
    retry_list: Path | None
    include: Sequence[str]
    exclude: Sequence[str]
    from_list: Path | None
    config: Mapping[str, Any]

    def opened(self) -> "OpenedOrder":
        """Raises InvalidField; OSError, ValueError for a list that cannot be read."""
        source, target = open_place(self.source, "FROM"), open_place(self.target, "--to", create=True)
        return OpenedOrder(
            asked=self,
            source=source,
            target=target,
            index=_index(self.index, target),
            selection=Selection(
                include=self.include,
                exclude=self.exclude,
                only=outcomes.read_list(self.from_list) if self.from_list else None,
                but_below=items.place_below(source, target),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedOrder:
    """The same, its places opened."""

    asked: BulkOrder
    source: Bucket
    target: Bucket
    index: Index
    selection: Selection

    async def items(self) -> list[Item]:
        return await items.list_items(self.source, self.selection, self.asked.config)


async def carry_out(client: stenod.Client, order: OpenedOrder, explain: Explain) -> int:
    """The exit status. Raises stenod.StenodError where the server is not to be had at all."""
    asked, ledger = order.asked, Ledger(order.target, order.asked.forms)
    try:
        found = await order.items()
        await ledger.load()
        if order.selection.only is not None:
            await order.index.keep_others(order.selection.only)
    except errors.StenodError as error:
        return _complain(error.message, is_temporary=error.retryable)
    submitter = Submitter(
        client, order.source, Via(asked.via), _options(asked.config), retry_failed=asked.from_list is not None
    )
    in_flight = asked.in_flight or 2 * (await client.capacity()).max_engines + _WAITING
    parts = BulkParts(client, submitter, ledger, order.index, BatchDisplay(len(found)))
    run = BulkRun(parts, found, in_flight=in_flight)
    try:
        await run.run()
        return _conclude(run, order)
    except Halt as halt:
        cause = halt.cause
        _conclude(run, order)
        message = explain(cause) if isinstance(cause, stenod.StenodError) else str(getattr(cause, "message", cause))
        return _complain(message, is_temporary=halt.is_temporary)


async def show_plan(order: OpenedOrder) -> int:
    """What `carry_out` would do, object by object."""
    ledger = Ledger(order.target, order.asked.forms)
    new = 0
    try:
        found = await order.items()
        await ledger.load()
        for item in found:
            is_there = await ledger.done(item) is not None
            new += not is_there
            typer.echo(f"{'there' if is_there else 'new':<6} {item.size_bytes:>12}  {item.key} -> {item.name}.json")
    except errors.StenodError as error:
        return _complain(error.message, is_temporary=error.retryable)
    typer.echo(f"{new} of {len(found)} objects are to be done")
    return outcomes.ALL_DONE


def open_place(text: str, field: str, *, create: bool = False) -> Bucket:
    """`create`: also a directory that is not there yet. Raises InvalidField."""
    url = text if "://" in text else Path(text).expanduser().resolve().as_uri()
    return open_bucket(url, field, create=create)


def _index(text: str | None, target: Bucket) -> Index:
    if text is None:
        return Index(target)
    directory, slash, name = text.rpartition("/")
    return Index(open_place(directory or slash or ".", "--index", create=True), name or INDEX_NAME)


def _conclude(run: BulkRun, order: OpenedOrder) -> int:
    """Says what came of it. Raises OSError for a list that cannot be written."""
    tally = run.tally
    for line in tally.lines():
        typer.echo(line)
    typer.echo(f"index: {order.index.url}")
    if order.asked.retry_list is not None:
        outcomes.write_retry_list(order.asked.retry_list, tally.failed)
    return tally.exit_status


def _complain(message: str, *, is_temporary: bool) -> int:
    typer.echo(f"stenod: {message}", err=True)
    return outcomes.TEMPORARY if is_temporary else outcomes.USAGE


def _options(options: Mapping[str, Any]) -> stenod.JobOptions:
    # Typer checked each value; the keys are those of JobOptions.
    return options  # type: ignore[return-value]
