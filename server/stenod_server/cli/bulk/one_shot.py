"""A node that lives for one command: it starts, transcribes what it is told to, writes the results, and is gone.

It may be told to stop at any moment (SIGTERM: a spot instance is reclaimed), or be killed: the same command, anywhere,
goes on behind the last window that the state knows.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import typer

import stenod
from stenod_server.app.node import REAL, Node, Parts, open_node
from stenod_server.cli.bulk import outcomes
from stenod_server.cli.bulk.commanding import open_place
from stenod_server.cli.bulk.items import Item
from stenod_server.cli.bulk.ledger import Ledger
from stenod_server.cli.bulk.outcomes import TEMPORARY, USAGE
from stenod_server.cli.bulk.runner import BulkParts, BulkRun, Halt
from stenod_server.cli.bulk.sources import find_items, opened_for
from stenod_server.cli.bulk.state import RunState, open_state
from stenod_server.cli.bulk.submitting import Submitter, Via
from stenod_server.cli.progress import BatchDisplay
from stenod_server.errors import InvalidRequest, StenodError
from stenod_server.settings import Settings
from stenod_server.text.render import TranscriptFormat

NODE: Final = "one-shot"  # the same in every container: so a successor takes back what its predecessor ran
_IN_FLIGHT: Final = 4  # beyond the engines
_NAME_CHARACTERS: Final = 16
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OneShotOrder:
    """What is asked for. `settings` are those of the node, `state` a path or an address. `grace_s`: how long what is
    under way may finish once it is told to stop.
    """

    sources: Sequence[str]
    output: str
    forms: Sequence[TranscriptFormat]
    config: Mapping[str, Any]
    settings: Settings
    state: str | None = None
    checkpoint_s: float = 30.0
    grace_s: float = 10.0


async def transcribe_once(order: OneShotOrder, stopping: asyncio.Event, *, parts: Parts = REAL) -> int:
    """The exit status: 0 all are done, 1 some failed for good, 2 the command is wrong, 75 start it again."""
    try:
        target = open_place(order.output, "--output", create=True)
        items = await find_items(order.sources, target, order.config)
        async with open_state(order.state, _name(order, items)) as state:
            status = await _transcribe(order, items, (Ledger(target, order.forms), state, parts), stopping)
            if status == outcomes.ALL_DONE:
                await state.clear()
            return status
    except StenodError as error:
        typer.echo(f"stenod: {error.message}", err=True)
        return USAGE if isinstance(error, InvalidRequest) else TEMPORARY


async def _transcribe(
    order: OneShotOrder, items: Sequence[Item], means: tuple[Ledger, RunState, Parts], stopping: asyncio.Event
) -> int:
    ledger, state, parts = means
    if all([await ledger.done(item) for item in items]):
        typer.echo(f"{len(items)} of {len(items)} results are there already", err=True)
        return outcomes.ALL_DONE
    if await state.restore():
        _log.warning("state_restored")
    settings = node_settings(order.settings, items, state.data_dir)
    async with open_node(settings, parts=parts) as node, stenod.Client(node.address) as client:
        submitter = Submitter(client, None, Via.URI, _options(order.config), retry_failed=False)
        bulk = BulkParts(client, submitter, ledger, None, BatchDisplay(len(items)))
        run = BulkRun(bulk, items, in_flight=node.max_engines + _IN_FLIGHT)
        async with _saving(state, order.checkpoint_s):
            halt = await _run(run, node, stopping, order.grace_s)
        with suppress(StenodError):  # what was saved before is as good as it gets
            await state.save()
    for line in run.tally.lines():
        typer.echo(line)
    if halt is not None:
        typer.echo(f"stenod: {getattr(halt.cause, 'message', halt)}", err=True)
        return TEMPORARY if halt.is_temporary else USAGE
    return run.tally.exit_status_of_a_container


async def _run(run: BulkRun, node: Node, stopping: asyncio.Event, grace_s: float) -> Halt | None:
    """Until all have ended, or it is told to stop and what was under way has been handed back."""
    running = asyncio.create_task(run.run())
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            run.stop()
            await node.scheduler.drain(grace_s)
            # What ended within the grace is still written; the rest is nobody's here any more.
            await asyncio.wait({running}, timeout=1.0)
            running.cancel()
        await running
    except Halt as halt:
        return None if stopping.is_set() else halt
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    finally:
        told.cancel()
        running.cancel()
        await asyncio.gather(told, running, return_exceptions=True)
    return None


@asynccontextmanager
async def _saving(state: RunState, every_s: float) -> AsyncIterator[None]:
    async def save() -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await state.save()
            except StenodError as error:
                _log.warning("state_not_saved", error=error.message)

    saving = asyncio.create_task(save())
    try:
        yield
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)


def node_settings(given: Settings, items: Sequence[Item], data_dir: Path) -> Settings:
    """A node for this command alone: nobody else reaches it, and it may read what it was told to and no more."""
    buckets, roots = opened_for(items)
    return given.model_copy(
        update={
            "listen": "127.0.0.1:0",
            **dict.fromkeys(("http_listen", "assemblyai_listen", "health_listen"), "off"),
            "metrics_listen": given.metrics_listen if "metrics_listen" in given.model_fields_set else "off",
            **dict.fromkeys(("access_file", "tls_cert_file", "tls_key_file", "tls_client_ca_file", "run_mode")),
            **dict.fromkeys(("oidc_issuer", "oidc_audience", "oidc_jwks_url", "database_url", "blob_url"), ""),
            "models_dir": given.models_path,
            "data_dir": data_dir,
            "node": NODE,
            "admission": "queue",
            "fetch_buckets": (*given.fetch_buckets, *buckets),
            "fetch_file_roots": (*given.fetch_file_roots, *roots),
        }
    )


def _name(order: OneShotOrder, items: Sequence[Item]) -> str:
    """The same for the same command over the same versions: what changed meanwhile is begun anew."""
    said = "\n".join([order.output, *sorted(item.identity for item in items)])
    return hashlib.sha256(said.encode()).hexdigest()[:_NAME_CHARACTERS]


def _options(options: Mapping[str, Any]) -> stenod.JobOptions:
    # Typer checked each value; the keys are those of JobOptions.
    return options  # type: ignore[return-value]
