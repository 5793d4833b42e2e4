"""Runs a whole listing: so many at a time, each on its own, until all have ended or something is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import stenod
from stenod.errors import Busy, JobFailed, NotAllowed, Unavailable
from stenod_server import errors
from stenod_server.cli.bulk.items import Item
from stenod_server.cli.bulk.ledger import Index, Ledger
from stenod_server.cli.bulk.outcomes import Outcome, State, Tally
from stenod_server.cli.bulk.submitting import Submitter
from stenod_server.cli.progress import BatchDisplay

INDEX_S: Final = 30.0  # how often the index is written while a run lasts
# What concerns every recording alike is told once, and ends the run.
_REFUSALS: Final = frozenset({"FETCH_REFUSED"})


class Halt(Exception):
    """The run cannot go on: `cause` says why. `is_temporary`: the same command may go on later."""

    def __init__(self, cause: Exception, *, is_temporary: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True)
class BulkParts:
    """What a run is made of."""

    client: stenod.Client
    submitter: Submitter
    ledger: Ledger
    index: Index | None
    display: BatchDisplay


class BulkRun:
    """One run. `outcomes` are in order of the items."""

    def __init__(self, parts: BulkParts, items: Sequence[Item], *, in_flight: int) -> None:
        self._parts = parts
        self._items = items
        self._in_flight = in_flight
        self._next = 0
        self.outcomes: list[Outcome | None] = [None] * len(items)
        self._started_s = time.monotonic()

    @property
    def tally(self) -> Tally:
        return Tally(self.outcomes, time.monotonic() - self._started_s)

    async def run(self) -> None:
        """Raises Halt; what has ended until then stands."""
        async with self._telling():
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._in_flight, len(self._items))):
                        group.create_task(self._work())
            except* Halt as halts:
                raise _first(halts) from None

    def stop(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._next = len(self._items)

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        """Writes the index now and then, and in the end."""
        telling = asyncio.create_task(self._tell())
        try:
            with self._parts.display.shown():
                yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self._write_index()
            self._parts.display.finish(sum(not one or one.state is State.FAILED for one in self.outcomes))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(INDEX_S)
            await self._write_index()

    async def _write_index(self) -> None:
        if self._parts.index is None:
            return
        try:
            await self._parts.index.write(self.outcomes)
        except errors.StenodError as error:
            raise Halt(error, is_temporary=error.retryable) from error

    async def _work(self) -> None:
        while self._next < len(self._items):
            place, self._next = self._next, self._next + 1
            self.outcomes[place] = await self._outcome(self._items[place])

    async def _outcome(self, item: Item) -> Outcome:
        try:
            if done := await self._parts.ledger.done(item):
                return done
            self._parts.display.started(item.key)
            job = await self._ended(item, await self._parts.submitter.submit(item))
            await self._parts.ledger.write(self._parts.client, item, job.job_id)
        except JobFailed as failure:
            failed = self._failed(item, failure.job.job_id, failure.reason, failure.message)
            return replace(failed, is_passing=isinstance(failure.job.error, Unavailable | Busy))
        except (Unavailable, Busy) as error:
            raise Halt(error, is_temporary=True) from error
        except NotAllowed as error:
            raise Halt(error, is_temporary=False) from error
        except stenod.StenodError as error:
            if error.reason in _REFUSALS:
                raise Halt(error, is_temporary=False) from error
            return self._failed(item, "", error.reason, error.message)
        except errors.StenodError as error:
            if error.retryable:
                raise Halt(error, is_temporary=True) from error
            return self._failed(item, "", error.reason, error.message)
        self._parts.display.succeeded(item.key, job)
        audio_s = job.proto.transcript_info.duration.ToNanoseconds() / 1e9
        return Outcome(item=item, state=State.DONE, job_id=job.job_id, audio_s=audio_s)

    async def _ended(self, item: Item, job: stenod.Job) -> stenod.Job:
        """Raises JobFailed unless it has a transcript."""
        if not job.state.has_ended:
            async with aclosing(self._parts.client.watch(job.job_id)) as updates:
                async for update in updates:
                    job = update.job
                    self._parts.display.update(item.key, job)
        if job.state is not stenod.JobState.SUCCEEDED:
            raise JobFailed(job)
        return job

    def _failed(self, item: Item, job_id: str, reason: str, message: str) -> Outcome:
        self._parts.display.failed(item.key, f"failed: {message}")
        return Outcome(item=item, state=State.FAILED, job_id=job_id, reason=reason, message=message)


def _first(halts: BaseExceptionGroup[Halt]) -> Halt:
    found: BaseException = halts
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if isinstance(found, Halt):
        return found
    raise found
