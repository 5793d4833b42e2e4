"""Clients that keep a server busy whatever happens to it, and remember what it accepted."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

import stenod
from stenod import errors
from stenod._retry import RetryPolicy
from stenod.results import JobState, Transcript
from tests.support.eventually import eventually
from tests.support.models import DEFAULT_MODEL, read_audio
from tests.support.speech import recordings as speech_recordings
from tests.support.waves import write_wav

T = TypeVar("T")

# As patient as a client can be: what is under test is the server.
PATIENT: Final = RetryPolicy(attempts=1_000_000, outage_s=1e9, initial_backoff_s=0.1, max_backoff_s=1.0)
AGAIN_S: Final = 0.1
REPEATED: Final = 0.15  # of the submits, once more with the same request id
LARGE_SAMPLES: Final = 800_000  # of two channels: too large to travel with a request
SHORT: Final = (
    "google-brooklyn",
    "cv-22058264",
    "lso-367-130732-0001",
    "lso-367-130732-0002",
    "lso-367-130732-0003",
    "lso-367-130732-0004",
    "lso-367-130732-0005",
)

Heard = tuple[tuple[str, float, float], ...]


class Intent(StrEnum):
    """What a client wants of its job."""

    KEEP = "keep"
    CANCEL = "cancel"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Material:
    """A recording, and what an undisturbed server hears in it. Its size decides whether it travels with the request or
    is uploaded first; `by_address`: the server fetches it.
    """

    path: Path
    heard: Heard = ()
    by_address: bool = False

    @property
    def source(self) -> Path | str:
        return self.path.as_uri() if self.by_address else self.path


@dataclass(slots=True)
class Accepted:
    """A job that the server took. `job_ids` has one member, unless the same request made two jobs."""

    request_id: str
    material: Material
    intent: Intent
    job_ids: set[str] = field(default_factory=set)
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Mix:
    """How many of the jobs are cancelled, and how many deleted with force, soon after they were accepted."""

    cancelled: float = 0.08
    deleted: float = 0.04


class Load:
    """`clients` clients, each with one job at a time, from `start` to `finish`."""

    def __init__(
        self,
        address: str,
        materials: Sequence[Material],
        *,
        clients: int,
        seed: int,
        mix: Mix = Mix(),
    ) -> None:
        self.accepted: dict[str, Accepted] = {}
        self.faults: list[str] = []  # answers that no client should ever get
        self._address = address
        self._materials = materials
        self._clients = clients
        self._seed = seed
        self._mix = mix
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def in_flight(self) -> int:
        return sum(not job.has_ended for job in self.accepted.values())

    @property
    def ended(self) -> int:
        return sum(job.has_ended for job in self.accepted.values())

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]

    async def until_busy(self) -> None:
        """Wait until every client has a job."""
        await eventually(lambda: self.in_flight >= self._clients or self._broke(), timeout_s=60.0)

    async def finish(self, timeout_s: float) -> None:
        """Submit no more and wait until every job has ended. Raises TimeoutError; what a client died of."""
        self._is_over = True
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*self._tasks)

    async def abandon(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _broke(self) -> bool:
        return any(task.done() for task in self._tasks)

    async def _client(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        while not self._is_over:
            async with stenod.Client(self._address, retry=PATIENT) as client:
                for _ in range(chance.randint(1, 8)):
                    if not self._is_over:
                        await self._one_job(client, chance)

    async def _one_job(self, client: stenod.Client, chance: random.Random) -> None:
        job = Accepted(f"{chance.getrandbits(64):x}", chance.choice(self._materials), self._intent(chance))
        repeats = 2 if chance.random() < REPEATED else 1
        for _ in range(repeats):
            submit = await insist(lambda: client.submit(job.material.source, request_id=job.request_id, language="en"))
            job.job_ids.add(submit.job_id)
            self.accepted[job.request_id] = job
        try:
            await self._see_through(client, job, submit.job_id, chance)
        except errors.StenodError as error:
            self.faults.append(f"{job.intent} {submit.job_id}: {error.reason or type(error).__name__}: {error.message}")
        job.has_ended = True

    async def _see_through(self, client: stenod.Client, job: Accepted, job_id: str, chance: random.Random) -> None:
        if job.intent is Intent.KEEP:
            await insist(lambda: client.wait(job_id))
            return
        await asyncio.sleep(chance.uniform(0.0, 1.0))  # at any moment of its life
        if job.intent is Intent.CANCEL:
            await insist(lambda: client.cancel(job_id))
            await insist(lambda: _ended_somehow(client, job_id))
            return
        with suppress(errors.NotFound):  # the answer to an earlier try was lost
            await insist(lambda: client.delete(job_id, force=True))

    def _intent(self, chance: random.Random) -> Intent:
        drawn = chance.random()
        if drawn < self._mix.cancelled:
            return Intent.CANCEL
        return Intent.DELETE if drawn < self._mix.cancelled + self._mix.deleted else Intent.KEEP


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call that may be repeated until it is answered by yes or no."""
    while True:
        try:
            return await call()
        except (errors.Unavailable, errors.Busy, errors.DeadlineExceeded):
            await asyncio.sleep(AGAIN_S)


async def undisturbed(address: str, recordings: Sequence[Material]) -> list[Material]:
    """The recordings, with what a server that is left alone hears in them."""
    async with stenod.Client(address) as client:
        return [replace(one, heard=heard(await client.transcribe(one.source, language="en"))) for one in recordings]


def mixed_recordings(directory: Path, models_dir: Path) -> list[Material]:
    """Short and long, in every way that media comes in; of the speech set where it is here. `directory` is for what has
    to be made, and for what is fetched by address: the server must allow it.
    """
    speech = {recording.id: recording.path for recording in speech_recordings()}
    sample = models_dir / DEFAULT_MODEL / "samples" / "two_cities.wav"
    short = [speech.get(name, sample) for name in SHORT]
    minute, long = speech.get("sonnet-1", sample), speech.get("conv-dev-3spk", sample)
    mono = read_audio(minute)
    large = write_wav(directory / "large.wav", np.tile(mono, (2, -(-LARGE_SAMPLES // len(mono)))))
    fetched: list[Path] = []
    for path in (short[0], short[-1], minute):
        fetched.append(directory / f"{len(fetched)}-{path.name}")
        shutil.copy(path, fetched[-1])
    by_address = [Material(path, by_address=True) for path in fetched]
    return [*map(Material, (*short, minute, large, long)), *by_address]


def heard(transcript: Transcript) -> Heard:
    return tuple((word.text, word.start_s, word.end_s) for word in transcript.words)


async def _ended_somehow(client: stenod.Client, job_id: str) -> None:
    try:
        await client.wait(job_id)
    except errors.JobFailed as ended:
        if ended.job.state is not JobState.CANCELLED:
            raise
