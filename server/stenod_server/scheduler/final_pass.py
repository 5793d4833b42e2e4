"""The end of a job that tells speakers apart: its drafts become its segments, once it is known who speaks when."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from stenod_server.domain.job import Job
from stenod_server.domain.transcript import Segment, TranscriptInfo
from stenod_server.errors import StoreUnavailable
from stenod_server.ports import JobStore, VoiceProfile
from stenod_server.recognition.memory import Voices
from stenod_server.scheduler.recorder import JobStopped, Recorder, StopReason
from stenod_server.speakers.diarizer import Diarizer
from stenod_server.speakers.identification import Identification
from stenod_server.speakers.word_labels import labelled

BATCH_SEGMENTS: Final = 100  # stored at a time: what is held in memory, however long the recording
_AHEAD_SEGMENTS: Final = 32  # read before they are labelled: labelling looks a few words ahead


@dataclass(frozen=True, slots=True)
class Listening:
    """Who listens for the voices of one job, and by which model."""

    profile: VoiceProfile
    diarizer: Diarizer

    @property
    def voices(self) -> Voices:
        return Voices(self.profile.model, self.diarizer, self.profile.revision)


class FinalPass:
    """Serves all jobs of a node. Whatever kills it, the next attempt finds the drafts and begins it again."""

    def __init__(self, store: JobStore, identification: Identification) -> None:
        self._store = store
        self._identification = identification

    async def run(
        self, job: Job, listening: Listening, recorder: Recorder, info: TranscriptInfo
    ) -> tuple[TranscriptInfo, Sequence[Segment]]:
        """The facts with the speakers, and those of the final segments that go with the job's end; the ones before are
        stored. Raises StoreUnavailable; JobStopped where the job is not ours any more.
        """
        drafts = recorder.seal()
        turns = await asyncio.to_thread(listening.diarizer.finish)
        whose = (job.config, job.tenant, listening.profile)
        turns, warnings = self._identification.identified(turns, *whose)
        label = partial(labelled, turns=turns, prefer_current=job.config.diarization.prefer_current_speaker)
        if recorder.has_written:
            await recorder.hand_over()
            rest = await self._replaced(job, label, drafts)
        else:
            drafts_left = recorder.rest()
            rest = await asyncio.to_thread(lambda: list(label(drafts_left)))
        speakers = self._identification.speakers_of(turns, *whose)
        return replace(info, speakers=speakers, warnings=(*info.warnings, *warnings)), rest

    async def _replaced(self, job: Job, label: "partial[Iterator[Segment]]", drafts: int) -> Sequence[Segment]:
        """Store the final segments but for the last of them. They are labelled in threads, one after the other."""
        read = _Read()
        segments = label(read)
        async for draft in self._store.segments(job.job_id, final=False):
            read.add(draft)
            if len(read) >= BATCH_SEGMENTS + _AHEAD_SEGMENTS:
                await self._store_batch(job, _ready(segments, read))
        if read.count != drafts:  # the last report did not reach the store; it goes there with the job's release
            raise StoreUnavailable(f"{drafts - read.count} of {drafts} drafts are not stored", missing=True)
        read.is_whole = True
        return await asyncio.to_thread(list, segments)

    async def _store_batch(self, job: Job, segments: Iterator[Segment]) -> None:
        batch: list[Segment] = []
        await asyncio.to_thread(batch.extend, segments)
        if not await self._store.finalise(job.lease, batch):
            raise JobStopped(StopReason.LOST)


def _ready(segments: Iterator[Segment], read: "_Read") -> Iterator[Segment]:
    """Those that can be told by what is read."""
    while len(read) > _AHEAD_SEGMENTS:
        yield next(segments)


class _Read(Iterator[Segment]):
    """Drafts that were read and are not labelled yet."""

    def __init__(self) -> None:
        self.count = 0
        self.is_whole = False
        self._waiting: deque[Segment] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def __next__(self) -> Segment:
        if self.is_whole and not self._waiting:
            raise StopIteration
        return self._waiting.popleft()

    def add(self, draft: Segment) -> None:
        self.count += 1
        self._waiting.append(draft)
